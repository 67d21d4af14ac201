import type { AuthenticationResult, Principal } from '../protocol/principal.js'
import type { Binding, BindingError } from './binding.js'
import { type GuardErrorCode, guardErrors } from './errors.js'
import type { AccessTokenOptions } from './options.js'

export type Refusal = Extract<AuthenticationResult, { ok: false }>

/** Judges one token that came with a request. */
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

/** A credential that cannot be used here: the caller is told that, the operator why. */
export const invalidToken = (detail: string, error: BindingError = 'invalid_token', nonce?: string): Refusal => ({
  ...refusal(401, error, detail),
  ...(error !== 'invalid_token' && { scheme: 'DPoP' }),
  ...(nonce !== undefined && { headers: { 'DPoP-Nonce': nonce } }),
})

/** A credential that cannot be judged now. */
export const unavailable = (detail: string, retryAfter = 5): Refusal => ({
  ...refusal(503, 'keys_unavailable', detail),
  retryAfter,
})

/** A token from before its caller's stamp; one that does not say when it was issued may be. */
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

/** A token whose claims are right is as good as the proof of what it is bound to. */
export function boundResult(binding: Binding, principal: Principal): AuthenticationResult {
  if (binding === 'unknown') return unavailable('store')
  if ('flaw' in binding) return invalidToken(binding.flaw, binding.error, binding.nonce)
  if (binding.bound) principal.bound = binding.bound
  return { ok: true, principal }
}
