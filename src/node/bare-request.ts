import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Asked } from '../protocol/answer.js'

/**
 * A request that needs no `Request`: without a body, its target and host in the plainest spelling, so that no URL parser
 * would change them. `undefined` for any other, which goes the long way.
 */
export function bareRequest(incoming: IncomingMessage, outgoing: ServerResponse): Asked | undefined {
  const { method, url = '', headers } = incoming
  const bodiless = method === 'GET' || (method === 'POST' && headers['content-length'] === '0')
  const plain = bodiless && headers['transfer-encoding'] === undefined
  return plain && plainTarget.test(url) && plainHost.test(headers.host ?? '')
    ? new BareRequest(incoming, outgoing)
    : undefined
}

const plainTarget = /^(\/[\w-]+)+(\?[\w=&-]*)?$/
const plainHost = /^[a-z\d-]+(\.[a-z\d-]+)*(:\d{1,5})?$/

/** A class, since there is one for each request: nothing is made before it is asked for. */
class BareRequest implements Asked {
  readonly body = null
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming
    this.#outgoing = outgoing
  }

  get method(): string {
    return this.#incoming.method ?? ''
  }

  get url(): string {
    return `http://${this.#incoming.headers.host}${this.#incoming.url}`
  }

  get headers(): Asked['headers'] {
    return this
  }

  get(name: string): string | null {
    const value = this.#incoming.headers[name]
    return typeof value === 'string' ? value : null
  }

  async text(): Promise<string> {
    return ''
  }

  get signal(): AbortSignal {
    const gone = new AbortController()
    this.#outgoing.once('close', () => this.#outgoing.writableFinished || gone.abort())
    return gone.signal
  }
}
