import { execFileSync } from 'node:child_process'
import { chownSync } from 'node:fs'
import { join } from 'node:path'
import { ensureProgram, freePort } from './programs.js'
import { createTestServer, freshFolder, type TestServer } from './server.js'

/** PostgreSQL refuses to run as root: there it runs as the user that its package made. */
function user(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(`${execFileSync('id', [flag, 'postgres'])}`)
  return { uid: id('-u'), gid: id('-g') }
}

/** A PostgreSQL with one database, `postgres`, and one user, `sallyport`, whom loopback is enough for. */
export async function startPostgres(): Promise<TestServer> {
  const initdb = ensureProgram('initdb')
  const program = ensureProgram('postgres')
  const folder = freshFolder('postgres')
  const owner = user()
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const options = ['-D', data, '-U', 'sallyport', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
  execFileSync(initdb, options, { cwd: folder, stdio: 'pipe', ...owner })
  const port = await freePort()
  const args = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder]
  // The children of a killed one end when they notice, each in its time; until then its memory is in use.
  const notYet = /pre-existing shared memory block|lock file "postmaster.pid" already exists/
  const server = createTestServer('postgres', port, folder, { program, args, ...owner }, () => answers(port), notYet)
  await server.start()
  return server
}

export const postgresUrl = (port: number): string => `postgres://sallyport@127.0.0.1:${port}/postgres`

async function answers(port: number): Promise<boolean> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: postgresUrl(port), connectionTimeoutMillis: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
