import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { demoFolder } from '../folder.js'

export interface SandboxLimits {
  milliseconds: number
  /** The limit of the interpreter’s memory. */
  bytes: number
  /** The limit of the output. */
  characters: number
}

/** The result of code: its last value as JSON, perhaps truncated, or the reason why it stopped. */
export type SandboxReport =
  | { ok: true; output: string; cut: boolean }
  | { ok: false; ended: 'time' | 'memory' | 'process' }
  | { ok: false; ended: 'error'; message: string }

const usual: SandboxLimits = { milliseconds: 1000, bytes: 16 * 1024 * 1024, characters: 2000 }
/** Milliseconds that a process may take to start, and to end by itself after its time is up. */
const patience = { start: 10_000, end: 500 }

/**
 * Runs code in a sandbox: QuickJS in WebAssembly, without any function of the host, in a process with an empty
 * environment. The process is killed if the interpreter does not end by itself.
 */
export async function runIsolated(code: string, limits: Partial<SandboxLimits> = {}): Promise<SandboxReport> {
  const bounds = { ...usual, ...limits }
  const child = fork(join(demoFolder(), 'server/agents/sandbox-process.js'), {
    env: {},
    execArgv: ['--max-old-space-size=64'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  try {
    if ((await heard(child, patience.start)) === undefined) return { ok: false, ended: 'process' }
    const answer = heard(child, bounds.milliseconds + patience.end)
    child.send({ code, limits: bounds })
    const report = (await answer) as SandboxReport | undefined
    return report ?? { ok: false, ended: child.exitCode === null && child.signalCode === null ? 'time' : 'process' }
  } finally {
    child.kill('SIGKILL')
  }
}

/** The next message; `undefined` after a timeout or when the process has ended. */
function heard(child: ChildProcess, milliseconds: number): Promise<unknown> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, milliseconds, undefined)
    const end = (message?: unknown) => {
      clearTimeout(late)
      resolve(message)
    }
    child.once('message', end)
    child.once('exit', () => end())
    child.once('error', () => end())
  })
}
