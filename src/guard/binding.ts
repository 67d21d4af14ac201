import { thumbprintOf } from '../crypto/certificate.js'
import { peerOf } from '../protocol/http/peer.js'
import type { createProofCheck } from './dpop-proof.js'

export type BindingError = 'invalid_token' | 'invalid_dpop_proof' | 'use_dpop_nonce'

/** What a token is bound to, by its `cnf`. `unknown`: the store is down. */
export type Binding = { bound?: 'dpop' | 'mtls' } | { flaw: string; error: BindingError; nonce?: string } | 'unknown'

/**
 * Checks the `cnf` claim of a token: a DPoP proof for `jkt` (RFC 9449), the certificate of the connection for `x5t#S256`
 * (RFC 8705), both if it names both. Any other confirmation method is refused. Most tokens have no `cnf`: for them the result is
 * synchronous.
 */
export function checkBinding(
  request: Request,
  token: string,
  cnf: unknown,
  scheme: 'bearer' | 'dpop',
  check: ReturnType<typeof createProofCheck>,
  resource: string,
  now: () => number,
): Binding | Promise<Binding> {
  if (cnf !== undefined) return checkConfirmation(request, token, cnf, scheme, check, resource, now)
  return scheme === 'dpop' ? bindingFlaw('unbound token with scheme DPoP') : {}
}

const bindingFlaw = (flaw: string, error: BindingError = 'invalid_token') => ({ flaw, error })

async function checkConfirmation(
  request: Request,
  token: string,
  cnf: unknown,
  scheme: 'bearer' | 'dpop',
  check: ReturnType<typeof createProofCheck>,
  resource: string,
  now: () => number,
): Promise<Binding> {
  if (typeof cnf !== 'object' || cnf === null) return bindingFlaw('cnf')
  const { jkt, 'x5t#S256': thumbprint, ...other } = cnf as Record<string, unknown>
  if (Object.keys(other).length || (jkt === undefined && thumbprint === undefined)) return bindingFlaw('cnf')
  if (thumbprint !== undefined && (await certificateOf(request)) !== thumbprint) return bindingFlaw('certificate')
  if (jkt === undefined)
    return scheme === 'bearer' ? { bound: 'mtls' } : bindingFlaw('token without key binding with scheme DPoP')
  if (typeof jkt !== 'string' || scheme !== 'dpop') return bindingFlaw('bound token without its proof')
  const result = await check(request, token, jkt, resource, now)
  if (result.ok === 'unknown') return 'unknown'
  if (result.ok) return { bound: 'dpop' }
  const { detail, nonce } = result
  return nonce === undefined
    ? bindingFlaw(detail, 'invalid_dpop_proof')
    : { ...bindingFlaw(detail, 'use_dpop_nonce'), nonce }
}

/** The thumbprint of the client certificate of the connection. A header counts only if a trusted proxy wrote it. */
async function certificateOf(request: Request): Promise<string | undefined> {
  const certificate = peerOf(request)?.certificate
  return certificate && thumbprintOf(certificate)
}
