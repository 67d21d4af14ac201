import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { UpstreamError, type UpstreamRequest, type UpstreamResponse } from '../../protocol/http/upstream.js'

/** Calls APIs with `fetch`. */
export const createFetchUpstream =
  (fetch: typeof globalThis.fetch) =>
  async (
    request: PlainRequest,
    { method, url, headers, body, limit, timeout, until }: UpstreamRequest,
  ): Promise<UpstreamResponse> => {
    const timedOut = new AbortController()
    const timer = setTimeout(() => timedOut.abort(), timeout * 1000)
    const { signal: disconnected } = request
    const requestBody = body === 'own' ? request.body && limited(request.body, limit) : body
    try {
      const answer = await fetch(url, {
        method,
        headers,
        signal: AbortSignal.any(
          [timedOut.signal, disconnected, until?.signal].filter((signal) => signal !== undefined),
        ),
        redirect: 'manual',
        ...(requestBody && { body: requestBody, duplex: 'half' }),
      } as RequestInit)
      const encodings = answer.headers.get('content-encoding')
      if (encodings !== null && !decoded.test(encodings)) {
        answer.body?.cancel().catch(() => {})
        throw new UpstreamError('unavailable')
      }
      return {
        status: answer.status,
        header: (name) => (name === 'content-encoding' ? undefined : (answer.headers.get(name) ?? undefined)),
        body: until && answer.body ? withEndCallback(answer.body, until.over) : answer.body,
        discard: () => void answer.body?.cancel().catch(() => {}),
      }
    } catch (error) {
      const { cause } = error as { cause?: unknown }
      for (const known of [error, cause]) if (known instanceof UpstreamError) throw known
      if (disconnected?.aborted) throw new UpstreamError('gone', error)
      throw new UpstreamError(timedOut.signal.aborted ? 'timeout' : 'unavailable', error)
    } finally {
      clearTimeout(timer)
    }
  }

/** What `fetch` decodes in every runtime. For other codings, nobody knows whether the body is still encoded. */
const decoded = /^\s*((x-)?gzip|deflate|br|identity)(\s*,\s*((x-)?gzip|deflate|br|identity))*\s*$/i

/** Passes chunks on until the limit. An error while reading means that the client has disconnected. */
function limited(stream: ReadableStream<Uint8Array>, limit: number): ReadableStream<Uint8Array> {
  const reader = stream.getReader()
  let length = 0
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read().catch((error) => {
        throw new UpstreamError('gone', error)
      })
      if (done) return controller.close()
      length += value.byteLength
      if (length <= limit) return controller.enqueue(value)
      reader.cancel().catch(() => {})
      throw new UpstreamError('too_large')
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

/** The same stream; calls `over` when it ends. */
function withEndCallback(stream: ReadableStream<Uint8Array>, over: () => void): ReadableStream<Uint8Array> {
  const reader = stream.getReader()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read().catch((error) => {
        over()
        throw error
      })
      if (!done) return controller.enqueue(value)
      over()
      controller.close()
    },
    cancel(reason) {
      over()
      return reader.cancel(reason)
    },
  })
}
