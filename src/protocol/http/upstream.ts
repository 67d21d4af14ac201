/** A call to an API, made for a request that is being answered. */
export interface UpstreamRequest {
  readonly method: string
  readonly url: string
  /** All headers that are sent, except those that the transport adds. Names are lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** `own`: the body of the request that is being answered, as it arrives. */
  readonly body: Uint8Array | 'own' | undefined
  /** The most bytes of such a body. */
  readonly limit: number
  /** Seconds within which the response must begin. */
  readonly timeout: number
  /** Over a new connection. */
  readonly fresh?: boolean
  /** The response is a stream: the time between its chunks is not limited. */
  readonly until?: StreamLifetime
}

/** The lifetime of a call or a stream. */
export interface StreamLifetime {
  /** Ends it. */
  readonly signal: AbortSignal
  /** Call it at the end, whoever ended it. Calling it twice is harmless. */
  over(): void
}

/** The response of an API. */
export interface UpstreamResponse {
  readonly status: number
  /** By lower-case name. */
  header(name: string): string | undefined
  readonly body: ResponseBody
  /** Discards the body. */
  discard(): void
}

/**
 * Text, bytes, a stream that is read at the client's pace and cancelled when the client disconnects, or the runtime
 * adapter's own stream, which only that adapter reads.
 */
export type ResponseBody =
  | string
  | Uint8Array<ArrayBuffer>
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | null

/** The client has disconnected while sending: the missing response is not a fault. */
export const clientDisconnected = (): DOMException => new DOMException('The client has disconnected.', 'AbortError')

/**
 * Why a call has no response: the client disconnected, it timed out, the body was too large, a kept connection was closed before
 * any byte of a response, or anything else.
 */
export class UpstreamError extends Error {
  readonly reason: 'gone' | 'timeout' | 'too_large' | 'reset' | 'unavailable'

  constructor(reason: UpstreamError['reason'], cause?: unknown) {
    super(reason, { cause })
    this.reason = reason
  }
}
