import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A server of the tests' own: on loopback, in a folder of its own, gone when they are. */
export interface TestServer {
  readonly port: number
  start(): Promise<void>
  /** Ends the process and waits for it; the data stays. `SIGKILL` is a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** It hangs: connections stay open, nothing is answered. */
  pause(): void
  resume(): void
  /** Ends it for good. */
  remove(): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export const freshFolder = (name: string): string => mkdtempSync(join(tmpdir(), `sallyport-${name}-`))

export function createTestServer(
  name: string,
  port: number,
  folder: string,
  command: { program: string; args: string[]; uid?: number; gid?: number },
  /** Whether it answers questions yet: one that still reads its data listens already. */
  ready: () => Promise<boolean>,
  /** What it says when it cannot start yet, because those that a killed one has left are still there. */
  notYet?: RegExp,
): TestServer {
  let child: ChildProcess | undefined

  async function stop(signal: NodeJS.Signals = 'SIGTERM') {
    const ending = child
    child = undefined
    if (!ending) return
    const ended = ending.exitCode !== null ? undefined : new Promise((resolve) => ending.once('exit', resolve))
    ending.kill(signal)
    await ended
    running.delete(ending)
  }

  return {
    port,
    async start() {
      if (child) return
      const { program, args, ...user } = command
      let output = ''
      const spawned = () => {
        output = ''
        const started = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...user })
        child = started
        running.add(started)
        started.once('exit', () => running.delete(started))
        for (const stream of [started.stdout, started.stderr])
          stream.on('data', (data) => {
            output = `${output}${data}`.slice(-4000)
          })
        return started
      }
      let started = spawned()
      for (let tries = 0; tries < 200; tries++) {
        if (started.exitCode !== null) {
          if (!notYet?.test(output)) break
          started = spawned()
        }
        if (await ready()) return
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await stop('SIGKILL')
      throw new Error(`${name} did not start on port ${port}:\n${output}`)
    },
    stop,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async remove() {
      await stop('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
