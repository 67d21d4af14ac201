import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { clientDisconnected } from '../../protocol/http/upstream.js'
import { Refusal } from '../errors.js'

/** Bytes. A longer body is not kept in memory, so it cannot be sent again. */
const MAX_BUFFERED = 65_536

/** The body for the API: bytes, which can be sent again; `own` for a stream, which cannot; `undefined` for none. */
export async function bodyToSend(request: PlainRequest, limit: number): Promise<Uint8Array | 'own' | undefined> {
  const contentLength = request.headers.get('content-length')
  if (request.method === 'GET' || request.method === 'HEAD' || contentLength === '0') return undefined
  if (contentLength === null)
    return request.headers.get('transfer-encoding') !== null || request.body ? 'own' : undefined
  if (Number(contentLength) > limit) throw tooLarge(limit)
  if (Number(contentLength) > MAX_BUFFERED) return 'own'
  const bytes = new Uint8Array(
    await request.arrayBuffer().catch(() => {
      throw clientDisconnected()
    }),
  )
  if (bytes.length > limit) throw tooLarge(limit)
  return bytes
}

export const tooLarge = (limit: number) =>
  new Refusal('request_too_large', { description: `The body is larger than ${limit} bytes.` })
