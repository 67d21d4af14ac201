import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { Agent as HttpsAgent, request as requestSecurely } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { UpstreamError, type UpstreamRequest, type UpstreamResponse } from '../protocol/http/upstream.js'

/** Bytes. A response of known length up to this size is read at once. */
const MAX_WHOLE_BODY = 65_536
/** Milliseconds until an idle connection is closed, if the API does not close it earlier. */
const KEEP_ALIVE = 4000
/** Milliseconds without a byte after which a body is broken off. */
const BODY_TIMEOUT = 300_000

/** Keep-alive connections to the APIs. Idle ones do not keep the process running. */
const plain = { request, agent: new HttpAgent({ keepAlive: true, timeout: KEEP_ALIVE }) }
const secure = { request: requestSecurely, agent: new HttpsAgent({ keepAlive: true, timeout: KEEP_ALIVE }) }

/**
 * Calls an API for an incoming request, over keep-alive connections and with backpressure from the client. The call is aborted
 * when the client disconnects. Redirects are not followed.
 */
export async function callUpstream(
  call: UpstreamRequest,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<UpstreamResponse> {
  const { method, url, timeout, fresh, until } = call
  const { protocol, hostname, port, pathname, search } = new URL(url)
  const through = protocol === 'https:' ? secure : plain
  const sent = through.request({
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port,
    path: pathname + search,
    method,
    headers: headersOf(call, incoming),
    agent: fresh ? false : through.agent,
  })
  const stop = (reason: UpstreamError['reason']) => sent.destroy(new UpstreamError(reason))
  const timer = setTimeout(stop, timeout * 1000, 'timeout')
  const hangUp = () => outgoing.writableFinished || stop('gone')
  const end = () => stop('gone')
  outgoing.once('close', hangUp)
  until?.signal.addEventListener('abort', end)
  const over = () => {
    clearTimeout(timer)
    outgoing.off('close', hangUp)
    until?.signal.removeEventListener('abort', end)
  }
  try {
    const answer = await answerTo(sent, call, incoming)
    clearTimeout(timer)
    if (!until) breakOffIfIdle(answer)
    return await replyOf(answer, method, () => {
      over()
      until?.over()
    })
  } catch (error) {
    over()
    sent.destroy()
    if (error instanceof UpstreamError) throw error
    throw new UpstreamError(outgoing.destroyed ? 'gone' : 'unavailable', error)
  }
}

/** With the length of the body, or `chunked`. Node would end a body of unknown length by closing the connection. */
function headersOf({ headers, body }: UpstreamRequest, incoming: IncomingMessage): Record<string, string | number> {
  if (body === undefined) return headers
  const length = body === 'own' ? incoming.headers['content-length'] : body.length
  return { ...headers, ...(length === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': length }) }
}

/** Sends the request. Interim responses (100, 103) are ignored. */
function answerTo(sent: ClientRequest, { body, limit }: UpstreamRequest, incoming: IncomingMessage) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    let bytesBefore = 0
    sent.once('socket', (socket) => {
      bytesBefore = socket.bytesRead
    })
    sent.on('error', (error) => {
      const closed = /^(ECONNRESET|EPIPE)$/.test(`${(error as NodeJS.ErrnoException).code}`)
      const unanswered = sent.reusedSocket && sent.socket?.bytesRead === bytesBefore
      reject(closed && unanswered ? new UpstreamError('reset', error) : error)
    })
    let answered = false
    sent.once('response', (answer) => {
      answered = true
      // It may break off before anybody reads it.
      answer.on('error', () => {})
      resolve(answer)
    })
    // A protocol that nobody has asked for.
    sent.once('upgrade', (_answer, socket) => socket.destroy())
    sent.once('close', () => answered || reject(new Error('closed')))
    if (body !== 'own') sent.end(body)
    // After a response, an upload that breaks off is no error.
    else pipeline(limited(incoming, limit), sent).catch(reject)
  })
}

function breakOffIfIdle(answer: IncomingMessage): void {
  const { socket } = answer
  let bytesRead = -1
  const timer = setInterval(() => {
    // What has arrived waits for a slow client.
    if (socket.bytesRead === bytesRead && !answer.readableLength) answer.destroy()
    bytesRead = socket.bytesRead
  }, BODY_TIMEOUT)
  answer.once('close', () => clearInterval(timer))
}

async function replyOf(answer: IncomingMessage, method: string, over: () => void): Promise<UpstreamResponse> {
  const { statusCode: status = 0, headers } = answer
  const header = (name: string) => {
    const value = headers[name]
    return typeof value === 'object' ? value.join(', ') : value
  }
  const length = Number(headers['content-length'] ?? NaN)
  if (method === 'HEAD' || status === 204 || status === 205 || status === 304) {
    // A 304 and the response to HEAD have the `Content-Length` of the content that they omit.
    answer.resume().once('close', over)
    return { status, header, body: null, discard() {} }
  }
  if (length <= MAX_WHOLE_BODY) {
    const body = await whole(answer)
    over()
    return { status, header, body: body.length ? body : null, discard() {} }
  }
  answer.once('close', over)
  return { status, header, body: answer, discard: () => void answer.destroy() }
}

const whole = (answer: IncomingMessage) =>
  new Promise<Uint8Array<ArrayBuffer>>((resolve, reject) => {
    const chunks: Buffer[] = []
    answer.on('data', (chunk) => chunks.push(chunk))
    answer.once('end', () => resolve(Buffer.concat(chunks)))
    answer.once('error', reject)
    answer.once('close', () => answer.complete || reject(new Error('closed')))
  })

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
