import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { PlainRequest } from '../protocol/http/plain-response.js'
import { clientDisconnected, type UpstreamRequest, type UpstreamResponse } from '../protocol/http/upstream.js'
import { callUpstream } from './upstream.js'

/**
 * A request that is handled without a `Request` object, which is faster. Target and host must be so plain that a URL parser would
 * not change them, and a body must be short and have a `Content-Length`. `undefined` for any other request.
 */
export function fastRequest(incoming: IncomingMessage, outgoing: ServerResponse): PlainRequest | undefined {
  const { method = '', url = '', headers } = incoming
  const plain =
    headers['transfer-encoding'] === undefined &&
    Number(headers['content-length'] ?? 0) <= MAX_SHORT_BODY &&
    methods.test(method)
  return plain && plainTarget.test(url) && plainHost.test(headers.host ?? '')
    ? new FastRequest(incoming, outgoing)
    : undefined
}

/** Bytes of a body that is read at once, at most. */
const MAX_SHORT_BODY = 65_536

const methods = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/
const plainTarget = /^(\/[\w-]+)+(\?[\w=&-]*)?$/
const plainHost = /^[a-z\d-]+(\.[a-z\d-]+)*(:\d{1,5})?$/

/** A class with getters, for speed: there is one for each request, and each member is computed when it is read. */
class FastRequest implements PlainRequest {
  /** Read with `arrayBuffer()`. */
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

  get headers(): PlainRequest['headers'] {
    return this
  }

  get(name: string): string | null {
    const value = this.#incoming.headers[name]
    return typeof value === 'string' ? value : null
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    try {
      const { buffer: bytes, byteOffset, length } = await buffer(this.#incoming)
      return (bytes as ArrayBuffer).slice(byteOffset, byteOffset + length)
    } catch {
      throw clientDisconnected()
    }
  }

  get signal(): AbortSignal {
    const gone = new AbortController()
    this.#outgoing.once('close', () => this.#outgoing.writableFinished || gone.abort())
    return gone.signal
  }

  send(call: UpstreamRequest): Promise<UpstreamResponse> {
    return callUpstream(call, this.#incoming, this.#outgoing)
  }
}
