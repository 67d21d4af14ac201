import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { PlainResponse } from '../protocol/http/plain-response.js'

/** Characters of a body that is written as text, at most. */
const MAX_TEXT_LENGTH = 512
/** Bytes of a body of a `Response` that are collected, so that its length is known. */
const MAX_WHOLE_BODY = 65_536

/**
 * Writes a plain response without a `Response` object, which would be the largest cost of a session check. If the response has been
 * answered by other middleware, or the client has disconnected, nothing is written.
 *
 * @throws what middleware throws that has replaced `writeHead`, `write` or `end`
 */
export function write(response: PlainResponse, outgoing: ServerResponse): void {
  if (outgoing.headersSent || outgoing.destroyed) return void discard(response.body)
  try {
    writeTo(outgoing, response)
  } catch (error) {
    discard(response.body)
    // Nobody can finish what is half written.
    if (outgoing.headersSent) outgoing.destroy()
    throw error
  }
}

function writeTo(outgoing: ServerResponse, { status, headers, cookies, body }: PlainResponse): void {
  // Middleware that replaces `writeHead`, such as on-headers 1.0, understands an object of headers, but not Node's flat array.
  const all: OutgoingHttpHeaders = { ...headers }
  if (cookies.length) all['Set-Cookie'] = [...cookiesOf(outgoing), ...cookies]
  const head = () => outgoing.writeHead(status, all)
  if (body === null) {
    head().end()
  } else if (typeof body === 'string') {
    // Node copies a text twice and a buffer never. For short texts, the copies are cheaper than a buffer.
    const whole = body.length > MAX_TEXT_LENGTH ? Buffer.from(body) : body
    const length = Buffer.byteLength(whole)
    all['Content-Length'] = length
    // Pure ASCII is written as latin1, which needs no encoding.
    head().end(whole, length === body.length ? 'latin1' : 'utf8')
  } else if (body instanceof Uint8Array) {
    if (!('content-length' in headers || 'transfer-encoding' in headers)) all['Content-Length'] = body.length
    head().end(body)
  } else {
    // The first event can take long. The client gets the headers at once.
    head().flushHeaders()
    pipeline(streamOf(body), outgoing).catch(() => outgoing.destroy())
  }
}

/** The cookies that other middleware has set: `writeHead` would replace them. */
const cookiesOf = (outgoing: ServerResponse): string[] =>
  [outgoing.getHeader('set-cookie') ?? []].flat().map((cookie) => `${cookie}`)

type Stream = Exclude<PlainResponse['body'], string | Uint8Array | null>

const streamOf = (body: Stream): Readable => {
  if (body instanceof ReadableStream) return readableOf(body.getReader())
  return body instanceof Readable ? body : Readable.from(body, { objectMode: false })
}

function discard(body: PlainResponse['body']): void {
  if (body instanceof Readable) body.on('error', () => {}).destroy()
  else if (body instanceof ReadableStream) body.cancel().catch(() => {})
}

/** A `Response` as data. A body that is there at once becomes bytes, so that its length is sent. */
export async function plainResponseOf(response: Response): Promise<PlainResponse> {
  const { status, headers, body } = response
  const fields: Record<string, string> = {}
  for (const [name, value] of headers) if (name !== 'set-cookie') fields[name] = value
  // Without a type, browsers may guess one.
  if (body) fields['content-type'] ??= 'text/plain; charset=UTF-8'
  return { status, headers: fields, cookies: headers.getSetCookie(), body: body && (await atOnce(body)) }
}

async function atOnce(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | Readable> {
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  for (let length = 0; length <= MAX_WHOLE_BODY; ) {
    const reading = reader.read()
    const result = await Promise.race([reading, soon()])
    if (!result) return readableOf(reader, chunks, reading)
    if (result.done) return Buffer.concat(chunks)
    length += result.value.length
    chunks.push(result.value)
  }
  return readableOf(reader, chunks)
}

const soon = () => new Promise<undefined>((resolve) => setImmediate(resolve, undefined))

type Reader = ReadableStreamDefaultReader<Uint8Array>

/** The chunks that were read already, then those that follow. Destroying it cancels the rest. */
function readableOf(
  reader: Reader,
  chunks: readonly Uint8Array[] = [],
  reading?: ReturnType<Reader['read']>,
): Readable {
  const begun = [...chunks.map((value) => ({ done: false as const, value })), ...(reading ? [reading] : [])]
  const next = async () => begun.shift() ?? reader.read()
  return new Readable({
    read() {
      next().then(
        ({ done, value }) => this.push(done ? null : value),
        (error) => this.destroy(error),
      )
    },
    destroy(error, callback) {
      reader.cancel().catch(() => {})
      callback(error)
    },
  })
}
