import type { Body, Call, Reply } from './upstream.js'

/** What endpoints read of a request. A `Request` is one; a rim that needs none for it makes something lighter. */
export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: Pick<Headers, 'get'>
  readonly body: ReadableStream<Uint8Array> | null
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal
  arrayBuffer(): Promise<ArrayBuffer>
  /** Calls an API by connections of the rim's own. @throws UpstreamFailure */
  send?(call: Call): Promise<Reply>
}

/** What a handler answers before it has the form of any runtime: plain data, which a rim writes without a `Response`. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whole `Set-Cookie` values. */
  readonly cookies: readonly string[]
  readonly body: Body
}

type Answering = (request: Asked) => Promise<Answer>

const answering = new WeakMap<object, Answering>()

/** Ties to a handler how it answers without making a `Response`, and returns the same handler. */
export function withAnswers<Handler extends object>(handler: Handler, answer: Answering): Handler {
  answering.set(handler, answer)
  return handler
}

/** How a handler answers without making a `Response`, if it can. */
export const answersOf = (handler: object): Answering | undefined => answering.get(handler)

export function toResponse({ status, headers, cookies, body }: Answer): Response {
  // A rim's own stream only ever comes from that rim, which writes it by itself.
  const response = new Response(body as Exclude<Body, AsyncIterable<Uint8Array>>, { status, headers })
  for (const cookie of cookies) response.headers.append('Set-Cookie', cookie)
  return response
}
