/** A call to an API, made for a request that is being answered. */
export interface UpstreamRequest {
  readonly method: string
  readonly url: string
  /** All that is sent, but for what the transport needs; names are lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** `own`: the body of the request that is being answered, as it comes. */
  readonly body: Uint8Array | 'own' | undefined
  /** Bytes of such a body at most. */
  readonly limit: number
  /** Seconds until the answer must have begun. */
  readonly timeout: number
  /** The answer is one that goes on: nothing bounds the time between its parts. */
  readonly until?: StreamLifetime
}

/** How long something goes on. */
export interface StreamLifetime {
  /** Ends it. */
  readonly signal: AbortSignal
  /** It is over, whoever ended it. Harmless when called twice. */
  over(): void
}

/** What an API answers. */
export interface UpstreamResponse {
  readonly status: number
  /** By lower-case name. */
  header(name: string): string | undefined
  readonly body: ResponseBody
  /** Nobody wants the body. */
  discard(): void
}

/**
 * Text, bytes, a stream that is read at the pace of whoever asked and cancelled when they have gone, or, between a rim and
 * itself, a stream of the rim's own.
 */
export type ResponseBody =
  | string
  | Uint8Array<ArrayBuffer>
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | null

/** Whoever asked has hung up while sending: nobody waits for an answer, and nobody is to blame for there being none. */
export const clientDisconnected = (): DOMException => new DOMException('The client has hung up.', 'AbortError')

/** Why a call has no answer: whoever asked has gone, or it took too long, or too much was sent, or anything else. */
export class UpstreamError extends Error {
  readonly reason: 'gone' | 'timeout' | 'too_large' | 'unavailable'

  constructor(reason: UpstreamError['reason'], cause?: unknown) {
    super(reason, { cause })
    this.reason = reason
  }
}
