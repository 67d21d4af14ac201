import { ProviderError } from '../provider/errors.js'
import { Refusal } from './errors.js'

/** What an endpoint answers to what was thrown; `undefined` for what is neither a refusal nor a fault of the provider. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  return error instanceof ProviderError ? new Refusal(error.code, error.details) : undefined
}
