import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLoopbackServer } from './loopback.js'

/** A Redis that runs with the demo: on a free loopback port, in its own folder, without persistence. */
export async function startRedis(): Promise<{ url: string; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldnotes-'))
  const free = createLoopbackServer('127.0.0.1', 0)
  await free.open()
  await free.close()
  const { port } = free
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const gone = new Promise((resolve) => child.once('close', resolve))
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (line) => `${line}`.includes('Ready to accept connections') && resolve())
      child.once('error', reject)
      child.once('exit', () => reject(new Error('it ended immediately')))
    })
  } catch {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(
      'Several instances need a store. Install Redis (Debian, Ubuntu: sudo apt-get install redis-server), or set REDIS_URL to a running server.',
    )
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    async close() {
      child.kill()
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
