import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'

export const runnable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where Debian keeps PostgreSQL's servers: not on the PATH. */
const postgresFolders = (): string[] =>
  existsSync('/usr/lib/postgresql')
    ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)
    : []

const find = (program: string): string | undefined =>
  [...postgresFolders(), ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/opt/homebrew/bin']
    .map((folder) => join(folder, program))
    .find(runnable)

const packages: Record<string, string> = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  initdb: 'postgresql',
  postgres: 'postgresql',
  WebKitWebDriver: 'webkit2gtk-driver',
  Xvfb: 'xvfb',
}

/**
 * Finds a program; as root on Debian installs its package; elsewhere says what to do. The package's own service is not
 * started: tests run servers of their own.
 */
export function ensureProgram(program: string): string {
  const name = packages[program] ?? program
  return ensure(
    () => find(program),
    name,
    `These tests need ${program}. Install it (Debian, Ubuntu: sudo apt-get install ${name}).`,
  )
}

/** What `look` finds, at once or after the Debian package has been installed. */
export function ensure(look: () => string | undefined, name: string, remedy: string): string {
  const found = look()
  if (found) return found
  if (process.getuid?.() === 0 && runnable('/usr/bin/apt-get')) {
    console.log(`Installing ${name} with apt-get.`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    const options = { stdio: 'inherit', env } as const
    execFileSync('apt-get', ['update', '-qq'], options)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
    const installed = look()
    if (installed) return installed
  }
  throw new Error(remedy)
}

/** A port of 127.0.0.1 that nobody listens on now. `below`: the most it may be. */
export async function freePort(below = 65_535): Promise<number> {
  for (;;) {
    const port = await new Promise<number>((resolve, reject) => {
      const server = createServer()
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const bound = server.address()
        server.close(() => resolve(bound && typeof bound === 'object' ? bound.port : 0))
      })
    })
    if (port <= below) return port
  }
}
