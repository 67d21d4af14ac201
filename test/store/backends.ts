import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { BffEvent } from 'sallyport/bff'
import { killed, type Release, scriptOf } from '../services/script.js'
import type { WorkerCall, WorkerMessage, WorkerOptions } from './worker.js'

/** One process of the backend. */
export interface Backend {
  readonly name: string
  readonly url: string
  readonly alive: boolean
  readonly events: BffEvent[]
  call(call: WorkerCall): Promise<void>
  /** A crash: nothing is finished. */
  kill(): Promise<void>
}

export type BackendsOptions = Omit<WorkerOptions, 'name' | 'client_secret' | 'cookieKey' | 'timeout'> & {
  client_secret: string
  timeout?: number
}

/** Processes over one store that are one backend. */
export function createBackends({ timeout = 2, ...options }: BackendsOptions) {
  const cookieKey = randomBytes(32).toString('base64url')
  const backends: Backend[] = []
  let offset = 0
  let started = 0

  /** `release`: another one than the sources. */
  async function start(release?: Release): Promise<Backend> {
    // Before anything is awaited: several may start at once.
    const name = `w${started++}`
    const script = await scriptOf('test/store/worker.ts', release)
    const child = fork(script, [JSON.stringify({ ...options, name, cookieKey, timeout })])
    const events: BffEvent[] = []
    const waiting: (() => void)[] = []
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the backend process ended with ${code}`)))
      child.on('message', (message: WorkerMessage) => {
        if (message.type === 'ready') resolve(message.port)
        if (message.type === 'event') events.push(message.event)
        if (message.type === 'done') waiting.shift()?.()
      })
    })
    const backend: Backend = {
      name,
      url: `http://127.0.0.1:${port}`,
      get alive() {
        return child.exitCode === null && child.signalCode === null
      },
      events,
      call: (call) =>
        new Promise((resolve) => {
          waiting.push(resolve)
          child.send(call)
        }),
      kill: () => killed(child),
    }
    backends.push(backend)
    if (offset) await backend.call({ type: 'advance', seconds: offset })
    return backend
  }

  return {
    start,
    all: () => backends.filter(({ alive }) => alive),
    events: () => backends.flatMap(({ events }) => events),
    async advance(seconds: number) {
      offset += seconds
      await Promise.all(backends.filter(({ alive }) => alive).map((one) => one.call({ type: 'advance', seconds })))
    },
    async remove() {
      await Promise.all(backends.map((backend) => backend.kill()))
    },
  }
}

export type Backends = ReturnType<typeof createBackends>
