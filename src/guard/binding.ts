import { thumbprintOf } from '../crypto/certificate.js'
import { peerOf } from '../protocol/http/peer.js'
import type { createProofCheck } from './dpop-proof.js'

export type BindingError = 'invalid_token' | 'invalid_dpop_proof' | 'use_dpop_nonce'

/** What a token is bound to, by its `cnf`; what is there cannot be dropped. */
export type Binding = { bound?: 'dpop' | 'mtls' } | { flaw: string; error: BindingError; nonce?: string } | 'unknown'

/**
 * Holds a token's confirmation against what came with it: a proof for `jkt` (RFC 9449), the connection's own certificate for
 * `x5t#S256` (RFC 8705). Both where it names both; a confirmation of another kind is refused. Most tokens have none, and wait for
 * nothing.
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
  return scheme === 'dpop' ? refused('a token that is bound to nothing') : {}
}

const refused = (flaw: string, error: BindingError = 'invalid_token') => ({ flaw, error })

async function checkConfirmation(
  request: Request,
  token: string,
  cnf: unknown,
  scheme: 'bearer' | 'dpop',
  check: ReturnType<typeof createProofCheck>,
  resource: string,
  now: () => number,
): Promise<Binding> {
  if (typeof cnf !== 'object' || cnf === null) return refused('cnf')
  const { jkt, 'x5t#S256': thumbprint, ...other } = cnf as Record<string, unknown>
  if (Object.keys(other).length || (jkt === undefined && thumbprint === undefined)) return refused('cnf')
  if (thumbprint !== undefined && (await certificateOf(request)) !== thumbprint) return refused('certificate')
  if (jkt === undefined) return scheme === 'bearer' ? { bound: 'mtls' } : refused('a token that is bound to no key')
  if (typeof jkt !== 'string' || scheme !== 'dpop') return refused('bound token without its proof')
  const result = await check(request, token, jkt, resource, now)
  if (result.ok === 'unknown') return 'unknown'
  if (result.ok) return { bound: 'dpop' }
  const { detail, nonce } = result
  return nonce === undefined ? refused(detail, 'invalid_dpop_proof') : { ...refused(detail, 'use_dpop_nonce'), nonce }
}

/** Of the certificate that this connection has shown: of a header only where the guard knows the proxy that wrote it. */
async function certificateOf(request: Request): Promise<string | undefined> {
  const certificate = peerOf(request)?.certificate
  return certificate && thumbprintOf(certificate)
}
