import { ProviderError } from '../provider/errors.js'
import { Refusal } from './errors.js'

/** The error response for an error; `undefined` if it is neither a `Refusal` nor a `ProviderError`. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  return error instanceof ProviderError ? new Refusal(error.code, error.details) : undefined
}
