import type { ResponseBody, UpstreamRequest, UpstreamResponse } from './upstream.js'

/** What endpoints read of a request. A `Request` is one; a rim that needs none for it makes something lighter. */
export interface PlainRequest {
  readonly method: string
  readonly url: string
  readonly headers: Pick<Headers, 'get'>
  readonly body: ReadableStream<Uint8Array> | null
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal
  arrayBuffer(): Promise<ArrayBuffer>
  /** Calls an API by connections of the rim's own. @throws UpstreamError */
  send?(call: UpstreamRequest): Promise<UpstreamResponse>
}

/** What a handler answers before it has the form of any runtime: plain data, which a rim writes without a `Response`. */
export interface PlainResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whole `Set-Cookie` values. */
  readonly cookies: readonly string[]
  readonly body: ResponseBody
}

type PlainHandler = (request: PlainRequest) => Promise<PlainResponse>

const plainHandlers = new WeakMap<object, PlainHandler>()

/** Ties to a handler how it answers without making a `Response`, and returns the same handler. */
export function withPlainHandler<Handler extends object>(handler: Handler, answer: PlainHandler): Handler {
  plainHandlers.set(handler, answer)
  return handler
}

/** How a handler answers without making a `Response`, if it can. */
export const plainHandlerOf = (handler: object): PlainHandler | undefined => plainHandlers.get(handler)

export function toResponse({ status, headers, cookies, body }: PlainResponse): Response {
  // A rim's own stream only ever comes from that rim, which writes it by itself.
  const response = new Response(body as Exclude<ResponseBody, AsyncIterable<Uint8Array>>, { status, headers })
  for (const cookie of cookies) response.headers.append('Set-Cookie', cookie)
  return response
}
