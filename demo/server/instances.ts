import { type ChildProcess, fork } from 'node:child_process'
import { type IncomingMessage, type RequestListener, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { InstanceSettings } from './instance.js'

/** Several processes of one backend behind one origin. */
export interface Instances {
  /** Sends each request to the next process that is alive. */
  readonly listener: RequestListener
  /** Requests so far by process; `alive` is false for one that was killed. */
  state(): { requests: number; alive: boolean }[]
  /** Kills one without warning, like a crash; another takes over. The last one stays. */
  kill(): Promise<void>
  close(): Promise<void>
}

interface Instance {
  child: ChildProcess
  port: number
  requests: number
}

const alive = ({ child }: Instance) => child.exitCode === null && child.signalCode === null

export async function startInstances(count: number, settings: InstanceSettings): Promise<Instances> {
  const instances = await Promise.all(Array.from({ length: count }, () => start(settings)))
  let turn = 0

  function next(): Instance | undefined {
    const living = instances.filter(alive)
    return living[turn++ % living.length]
  }

  return {
    listener(incoming, outgoing) {
      const instance = next()
      if (!instance) return outgoing.writeHead(502).end()
      instance.requests++
      const { method, url, headers } = incoming
      const forwarded = request({ host: '127.0.0.1', port: instance.port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        answer.pipe(outgoing)
      })
      // It crashed during the request: the page asks again, and another process responds.
      forwarded.on('error', () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()))
      outgoing.on('close', () => forwarded.destroy())
      return (incoming as IncomingMessage).pipe(forwarded)
    },
    state: () => instances.map((instance) => ({ requests: instance.requests, alive: alive(instance) })),
    async kill() {
      const [first, ...others] = instances.filter(alive)
      if (first && others.length) await ended(first.child, 'SIGKILL')
    },
    async close() {
      await Promise.all(instances.filter(alive).map(({ child }) => ended(child, 'SIGTERM')))
    },
  }
}

async function start(settings: InstanceSettings): Promise<Instance> {
  const child = fork(fileURLToPath(new URL('./instance.js', import.meta.url)))
  child.send(settings)
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`A backend process ended at its start (${code}).`)))
  })
  return { child, port, requests: 0 }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(late)
}
