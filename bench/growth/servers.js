// A PostgreSQL on a free loopback port, in a folder of its own.
import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { freePort } from '../process.js'

/** Debian keeps PostgreSQL's servers beside the PATH. */
function program(name) {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...versions.map((one) => join(debian, one, 'bin'))]
  const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
  if (!found) throw new Error(`${name} is needed (Debian: apt-get install postgresql)`)
  return found
}

/** It refuses to run as root: there it runs as the user that its package made. */
function user() {
  if (process.getuid?.() !== 0) return {}
  const id = (flag) => Number(`${execFileSync('id', [flag, 'postgres'])}`)
  return { uid: id('-u'), gid: id('-g') }
}

export async function startPostgres() {
  const owner = user()
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const options = ['-D', data, '-U', 'sallyport', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
  execFileSync(program('initdb'), options, { cwd: folder, stdio: 'pipe', ...owner })
  const port = await freePort()
  // What is measured is the work of the server and not the disk below it; vacuums come while it runs, as in a long life.
  const settings = ['fsync=off', 'shared_buffers=512MB', 'max_wal_size=4GB', 'autovacuum_naptime=5s']
  const args = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder, ...settings.flatMap((one) => ['-c', one])]
  const child = spawn(program('postgres'), args, { cwd: folder, stdio: 'ignore', ...owner })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const url = `postgres://sallyport@127.0.0.1:${port}/postgres`
  for (let tries = 0; !(await answers(url)); tries++) {
    if (tries > 100) throw new Error('PostgreSQL did not start')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return {
    port,
    url,
    async stop() {
      child.kill('SIGINT')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(connectionString) {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
