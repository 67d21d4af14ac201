import { type ChildProcess, fork } from 'node:child_process'
import { basename } from 'node:path'
import { build } from 'vite'
import { alias } from '../../vite.config.js'

const built = new Map<string, Promise<unknown>>()

/** Where `sallyport` and its subpaths are taken from: the sources as they are, or a release. */
export interface Release {
  readonly name: string
  readonly alias: { find: RegExp; replacement: string }[]
}

/** A program of the tests as a script that Node can run. Resolves to its path. */
export async function scriptOf(entry: string, release: Release = { name: '', alias }): Promise<string> {
  const name = `${basename(entry, '.ts')}${release.name}.js`
  const making =
    built.get(name) ??
    build({
      configFile: false,
      logLevel: 'error',
      resolve: { alias: release.alias },
      // One file: a process that is killed a second later need not look for four hundred.
      ssr: { noExternal: true },
      build: {
        ssr: entry,
        outDir: 'test-results/worker',
        emptyOutDir: false,
        target: 'es2023',
        rolldownOptions: { external: /^(node:|pg-native|vite)/, output: { entryFileNames: name } },
      },
    })
  built.set(name, making)
  await making
  return `test-results/worker/${name}`
}

/** A crash: nothing is finished. */
export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

/** What another process is asked, and what it says. */
export interface Question {
  id: number
  call: string
  args: unknown[]
}
export type Answer = { id: number; value?: unknown; error?: string } | { ready: true }

export interface Remote {
  /** Asks the process to do something. Rejects with the code or message of what it threw. */
  ask<Value>(call: string, ...args: unknown[]): Promise<Value>
  kill(): Promise<void>
}

/** Starts a program of the tests in a process of its own; it answers with {@link answering}. */
export async function startRemote(entry: string, options: unknown): Promise<Remote> {
  const child = fork(await scriptOf(entry), [JSON.stringify(options)])
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${entry} ended with ${code}`)))
    child.on('message', (answer: Answer) => {
      if ('ready' in answer) return resolve()
      const { id, value, error } = answer
      if (error === undefined) waiting.get(id)?.resolve(value as never)
      else waiting.get(id)?.reject(new Error(error))
      waiting.delete(id)
    })
  })
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('killed'))
    waiting.clear()
  })
  let asked = 0
  return {
    ask: (call, ...args) =>
      new Promise((resolve, reject) => {
        const id = ++asked
        waiting.set(id, { resolve, reject })
        child.send({ id, call, args } satisfies Question, (error) => {
          if (error) reject(new Error('killed'))
        })
      }),
    kill: () => killed(child),
  }
}

/** In the process: does what is asked, until the one that asks is gone. */
export function answering(calls: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  process.on('message', async ({ id, call, args }: Question) => {
    try {
      process.send?.({ id, value: await calls[call]?.(...(args as never[])) } satisfies Answer)
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      process.send?.({ id, error: code ?? message } satisfies Answer)
    }
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ ready: true } satisfies Answer)
}
