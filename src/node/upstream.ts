import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { Agent, type Dispatcher, errors, request } from 'undici'
import { UpstreamError, type UpstreamRequest, type UpstreamResponse } from '../protocol/http/upstream.js'

/** Bytes. A response of known length up to this size is read at once. */
const MAX_WHOLE_BODY = 65_536

/** Keep-alive connections to the APIs, created with the first call. They do not keep the process running. */
let connections: Agent | undefined
const agent = () => {
  connections ??= new Agent({ connect: { timeout: 10_000 } })
  return connections
}

/**
 * Calls an API for an incoming request, over keep-alive connections and with backpressure from the client. The call is aborted
 * when the client disconnects. Redirects are not followed.
 */
export async function callUpstream(
  call: UpstreamRequest,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<UpstreamResponse> {
  const { method, url, headers, body, limit, timeout, until } = call
  const gone = new EventEmitter()
  const hangUp = () => outgoing.writableFinished || gone.emit('abort')
  outgoing.once('close', hangUp)
  const end = () => gone.emit('abort')
  until?.signal.addEventListener('abort', end)
  const known = body === 'own' ? incoming.headers['content-length'] : undefined
  try {
    const answer = await request(url, {
      dispatcher: agent(),
      method: method as Dispatcher.HttpMethod,
      headers: known === undefined ? headers : { ...headers, 'content-length': known },
      signal: gone,
      headersTimeout: timeout * 1000,
      ...(until && { bodyTimeout: 0 }),
      ...(body !== undefined && {
        body: body === 'own' ? Readable.from(limited(incoming, limit), { objectMode: false }) : body,
      }),
    })
    const over = () => {
      outgoing.off('close', hangUp)
      until?.signal.removeEventListener('abort', end)
      until?.over()
    }
    return await replyOf(answer, method, over)
  } catch (error) {
    outgoing.off('close', hangUp)
    throw failureOf(error, outgoing)
  }
}

async function replyOf(
  { statusCode: status, headers, body }: Dispatcher.ResponseData,
  method: string,
  over: () => void,
): Promise<UpstreamResponse> {
  const header = (name: string) => {
    const value = headers[name]
    return typeof value === 'object' ? value.join(', ') : value
  }
  if (status === 204 || status === 205 || status === 304) {
    // A 304 can have the `Content-Length` of the content that it omits. So the body is not read.
    body.dump().catch(() => {})
    over()
    return { status, header, body: null, discard() {} }
  }
  const length = method === 'HEAD' ? 0 : Number(headers['content-length'] ?? NaN)
  if (length <= MAX_WHOLE_BODY) {
    const bytes = new Uint8Array(await body.arrayBuffer())
    over()
    return { status, header, body: bytes.length ? bytes : null, discard() {} }
  }
  body.once('close', over)
  return {
    status,
    header,
    body,
    discard() {
      body.on('error', () => {}).destroy()
    },
  }
}

/** Passes a body on with backpressure, up to the limit. */
async function* limited(incoming: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  let length = 0
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > limit) break
      yield chunk
    }
  } catch (error) {
    // The request stream fails before the response's socket is marked as destroyed.
    throw new UpstreamError('gone', error)
  }
  if (length > limit) throw new UpstreamError('too_large')
}

function failureOf(error: unknown, outgoing: ServerResponse): UpstreamError {
  if (error instanceof UpstreamError) return error
  if (outgoing.destroyed) return new UpstreamError('gone', error)
  const late = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError
  return new UpstreamError(late ? 'timeout' : 'unavailable', error)
}
