import { ProviderError } from '../provider/errors.js'
import { readable } from '../provider/failures/provider-text.js'
import { type BffErrorCode, bffErrors, Refusal } from './errors.js'
import type { BffEvent } from './events.js'

/** The error response for an error; `undefined` if it is neither a `Refusal` nor a `ProviderError`. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (!(error instanceof ProviderError)) return undefined
  const { code, message, details } = error
  if (code !== 'operator_error') return new Refusal(code, details)
  // A mistake of the operator is none of the page's business.
  const { detail = message } = details
  return new Refusal(code, { detail, cause: error })
}

/** The event for a request that is refused. */
export function refusedEvent(
  { code, message, details }: Refusal,
  { method }: { readonly method: string },
  path: string,
): BffEvent & { type: 'request_refused' } {
  const detail = details.detail ?? (message === standardText(code) ? '' : readable(message))
  return { type: 'request_refused', error: code, method, path, ...(detail && { detail }) }
}

const standardText = (code: BffErrorCode): string => bffErrors[code][1]
