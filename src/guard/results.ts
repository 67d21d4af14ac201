import type { AuthenticationResult, Principal } from '../protocol/principal.js'
import type { Binding, BindingError } from './binding.js'
import { type GuardErrorCode, guardErrors } from './errors.js'
import type { AccessTokenOptions } from './options.js'

export type Refusal = Extract<AuthenticationResult, { ok: false }>

/** Verifies the token of a request. */
export type TokenVerifier = (
  request: Request,
  token: string,
  scheme: 'bearer' | 'dpop',
  resource: string,
  now: () => number,
) => Promise<AuthenticationResult>

export const refusal = (status: Refusal['status'], error: GuardErrorCode, detail?: string): Refusal => ({
  ok: false,
  status,
  error,
  error_description: guardErrors[error],
  ...(detail !== undefined && { detail }),
})

/** The refusal of a credential. `detail` is for the operator, not for the caller. */
export const invalidToken = (detail: string, error: BindingError = 'invalid_token', nonce?: string): Refusal => ({
  ...refusal(401, error, detail),
  ...(error !== 'invalid_token' && { scheme: 'DPoP' }),
  ...(nonce !== undefined && { headers: { 'DPoP-Nonce': nonce } }),
})

/** Verification is temporarily unavailable. */
export const unavailable = (detail: string, retryAfter = 5): Refusal => ({
  ...refusal(503, 'keys_unavailable', detail),
  retryAfter,
})

/** Verification is not possible until somebody changes the configuration, here or at the issuer. */
export const mistaken = (detail: string, retryAfter = 5): Refusal => ({
  ...refusal(503, 'operator_error', detail),
  retryAfter,
})

/** The refusal of a token that was issued before `revokedUntil`, or that has no `iat`. */
export async function revocationOf(
  { revokedUntil }: AccessTokenOptions,
  claims: Readonly<Record<string, unknown>>,
): Promise<Refusal | undefined> {
  try {
    const until = await revokedUntil?.(claims)
    const { iat } = claims
    return until === undefined || (typeof iat === 'number' && iat > until) ? undefined : invalidToken('revoked')
  } catch {
    return unavailable('revokedUntil threw')
  }
}

/** The result for a token with valid claims, depending on its binding. */
export function boundResult(binding: Binding, principal: Principal): AuthenticationResult {
  if (binding === 'unknown') return unavailable('store')
  if ('flaw' in binding) return invalidToken(binding.flaw, binding.error, binding.nonce)
  if (binding.bound) principal.bound = binding.bound
  return { ok: true, principal }
}
