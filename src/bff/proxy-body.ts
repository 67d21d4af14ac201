import type { Asked } from '../protocol/answer.js'
import { Refusal } from './errors.js'

/** Bytes up to which a body of known length is kept, so that it can be sent again. */
const KEPT = 65_536

/** A request's body for the API: bytes that can be sent again, a stream that cannot, or none. */
export async function bodyOf(request: Asked, limit: number): Promise<Uint8Array | ReadableStream | undefined> {
  const stated = request.headers.get('content-length')
  if (request.method === 'GET' || request.method === 'HEAD' || stated === '0') return undefined
  if (Number(stated) > limit) throw tooLarge(limit)
  if (!request.body) return undefined
  const limited = request.body.pipeThrough(limiter(limit))
  if (stated === null || Number(stated) > KEPT) return limited
  return new Uint8Array(await new Response(limited).arrayBuffer())
}

const tooLarge = (limit: number) =>
  new Refusal('request_too_large', { description: `The body is larger than ${limit} bytes.` })

/** Passes chunks on, at the pace of whoever reads them, until there are too many. */
function limiter(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let length = 0
  return new TransformStream({
    transform(chunk, controller) {
      length += chunk.byteLength
      if (length > limit) throw tooLarge(limit)
      controller.enqueue(chunk)
    },
  })
}
