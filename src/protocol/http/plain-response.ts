import type { ResponseBody, UpstreamRequest, UpstreamResponse } from './upstream.js'

/**
 * What endpoints read of a request. A `Request` fits; a runtime adapter that needs no `Request` makes a lighter object.
 */
export interface PlainRequest {
  readonly method: string
  readonly url: string
  readonly headers: Pick<Headers, 'get'>
  readonly body: ReadableStream<Uint8Array> | null
  /** Aborts when the client no longer waits for the response. */
  readonly signal?: AbortSignal
  arrayBuffer(): Promise<ArrayBuffer>
  /** Calls an API over the runtime adapter's own connections. @throws UpstreamError */
  send?(call: UpstreamRequest): Promise<UpstreamResponse>
}

/** A response as plain data, which a runtime adapter writes without making a `Response`. */
export interface PlainResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whole `Set-Cookie` values. */
  readonly cookies: readonly string[]
  readonly body: ResponseBody
}

type PlainHandler = (request: PlainRequest) => Promise<PlainResponse>

const plainHandlers = new WeakMap<object, PlainHandler>()

/** Attaches to a handler a function that answers without making a `Response`, and returns the same handler. */
export function withPlainHandler<Handler extends object>(handler: Handler, answer: PlainHandler): Handler {
  plainHandlers.set(handler, answer)
  return handler
}

/** How a handler answers without making a `Response`, if it can. */
export const plainHandlerOf = (handler: object): PlainHandler | undefined => plainHandlers.get(handler)

export function toResponse({ status, headers, cookies, body }: PlainResponse): Response {
  // An adapter's own stream only ever comes from that adapter, which writes it itself.
  const response = new Response(body as Exclude<ResponseBody, AsyncIterable<Uint8Array>>, { status, headers })
  for (const cookie of cookies) response.headers.append('Set-Cookie', cookie)
  return response
}
