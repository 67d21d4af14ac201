import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from 'jose'
import { errorMaker, SallyportError } from '../../protocol/error.js'
import { mediaType } from '../../protocol/http/header.js'
import type { Principal } from '../../protocol/principal.js'
import { func, object, optional, withMethods } from '../../protocol/shape.js'
import { CLOCK_TOLERANCE, type Now, systemNow } from '../../protocol/time.js'
import { callWithTimeout } from '../../protocol/timeout.js'
import { asyncCall, validate, validated } from '../../protocol/validate.js'
import { requestCheck } from '../../protocol/web-checks.js'
import { type EndpointErrorCode, endpointErrors } from '../errors.js'
import type { AgentRecord } from './agent-record.js'
import type { Agents } from './agents.js'
import type { AgentToken } from './options.js'
import { readBody } from './read-body.js'

export interface TokenEndpointOptions {
  agents: Pick<Agents, 'issuer' | 'authenticate' | 'issue' | 'exchange'>
  /** `createTokenIssuer(…)`, for the public keys. */
  tokens: { jwks(): Promise<{ keys: unknown[] }> }
  /**
   * Verifies a subject token, with a guard; `undefined`: it is not valid. Without this option there is no token exchange.
   *
   * @see RFC 8693 section 2.1
   */
  subject?: (token: string) => Promise<Principal | undefined>
  now?: Now
}

export const tokenEndpointOptions = object<TokenEndpointOptions>({
  agents: withMethods<TokenEndpointOptions['agents']>('createAgents(…)', 'authenticate', 'issue', 'exchange'),
  tokens: withMethods<TokenEndpointOptions['tokens']>('createTokenIssuer(…)', 'jwks'),
  subject: optional(func),
  now: optional(func),
})

export const tokenEndpointCalls = { fetch: asyncCall(['request', requestCheck]) }

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/** Bytes. */
const MAX_BYTES = 65_536

/** The OAuth error for our errors. */
const codes: Readonly<Record<string, EndpointErrorCode>> = {
  agent_proof_refused: 'invalid_client',
  agent_ended: 'invalid_client',
  agent_not_found: 'invalid_client',
  agents_stopped: 'unauthorized_client',
  agent_scope_refused: 'invalid_scope',
  agent_target_refused: 'invalid_target',
  consent_missing: 'invalid_grant',
  delegation_refused: 'invalid_grant',
  chain_too_deep: 'invalid_grant',
}

const refuse = errorMaker<EndpointErrorCode>(endpointErrors)

/** Any other error is an outage of the store or of the signing key. */
function codeOf(error: unknown): EndpointErrorCode {
  const code = error instanceof SallyportError ? error.code : ''
  return Object.hasOwn(endpointErrors, code) ? (code as EndpointErrorCode) : (codes[code] ?? 'temporarily_unavailable')
}

/** Seconds for which the public keys may be cached. */
const JWKS_AGE = 300

/** Statuses other than 400. */
const statuses: { readonly [Code in EndpointErrorCode]?: number } = {
  invalid_client: 401,
  temporarily_unavailable: 503,
}

/**
 * An authorization server for agents, with three endpoints below `issuer`: `/token`, `/jwks` and the metadata document. Any OAuth client
 * with `private_key_jwt` gets tokens there (`createMachineClient`), and any API finds the keys (`accessToken({ issuer })`).
 *
 * The grants are `client_credentials` and, with `subject`, token exchange. With a DPoP proof of the agent's registered key, the token is
 * bound to that key.
 *
 * There is no rate limit.
 *
 * @see RFC 6749 section 4.4, RFC 7523, RFC 8414, RFC 8693, RFC 9449 section 5
 */
export function createTokenEndpoint(options: TokenEndpointOptions) {
  validate('createTokenEndpoint', tokenEndpointOptions, options)
  const { agents, tokens, subject, now = systemNow } = options
  const { issuer } = agents
  const base = issuer.replace(/\/$/, '')
  const { pathname: path } = new URL(`${base}/`)
  const token_endpoint = `${base}/token`
  const metadata = {
    issuer,
    token_endpoint,
    jwks_uri: `${base}/jwks`,
    grant_types_supported: ['client_credentials', ...(subject ? [EXCHANGE] : [])],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'EdDSA'],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA'],
  }

  /** Whether to bind the token. A proof of another key is refused. Its `jti` is not stored: the assertion is accepted once only. */
  async function isBound(request: Request, { publicKey }: AgentRecord): Promise<boolean> {
    const proof = request.headers.get('dpop')
    if (proof === null) return false
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256', 'EdDSA', 'Ed25519'],
      maxTokenAge: 60,
      clockTolerance: CLOCK_TOLERANCE,
      currentDate: new Date(now() * 1000),
    }).catch(() => {
      throw refuse('invalid_request')
    })
    const right = payload['htm'] === 'POST' && payload['htu'] === token_endpoint
    if (!right || (await calculateJwkThumbprint(protectedHeader.jwk as JWK)) !== publicKey.kid)
      throw refuse('invalid_request')
    return true
  }

  async function grant(request: Request): Promise<AgentToken & { issued_token_type?: string }> {
    const form = await formOf(request)
    const grantType = form.get('grant_type')
    if (form.get('client_assertion_type') !== ASSERTION) throw refuse('invalid_client')
    const record = await agents.authenticate(form.get('client_assertion') ?? '')
    const { id: agent, tenant } = record
    if ((form.get('client_id') ?? agent) !== agent) throw refuse('invalid_client')
    const [scope, resource] = [form.get('scope'), form.get('resource')]
    const requested = {
      ...(scope !== undefined && { scopes: scope.split(' ').filter(Boolean) }),
      ...(resource !== undefined && { resource }),
      ...((await isBound(request, record)) && { bindTo: 'key' as const }),
    }
    if (grantType === 'client_credentials') return agents.issue(agent, { ...requested, tenant })
    if (grantType !== EXCHANGE || !subject) throw refuse('unsupported_grant_type')
    if (form.get('subject_token_type') !== ACCESS_TOKEN) throw refuse('invalid_request')
    const person = await callWithTimeout(() => subject(form.get('subject_token') ?? ''))
    if (!person) throw refuse('invalid_grant')
    return { ...(await agents.exchange(agent, { ...requested, subject: person })), issued_token_type: ACCESS_TOKEN }
  }

  async function tokenAnswer(request: Request): Promise<Response> {
    try {
      return answer(200, await grant(request))
    } catch (error) {
      if (error instanceof TypeError) throw error
      return refusal(codeOf(error))
    }
  }

  /** 503 if the key is not available. */
  async function jwksAnswer(): Promise<Response> {
    try {
      const keys = await tokens.jwks()
      return Response.json(keys, { headers: { 'Cache-Control': `public, max-age=${JWKS_AGE}` } })
    } catch {
      return refusal('temporarily_unavailable')
    }
  }

  const methods = {
    async fetch(request: Request): Promise<Response> {
      const { pathname } = new URL(request.url)
      if (pathname === `${path}token` && request.method === 'POST') return tokenAnswer(request)
      if (!/^(GET|HEAD)$/.test(request.method)) return refusal('invalid_request', 404)
      if (pathname === `${path}jwks`) return jwksAnswer()
      const documents = [
        `${path}.well-known/openid-configuration`,
        `/.well-known/oauth-authorization-server${path.replace(/\/$/, '')}`,
      ]
      return documents.includes(pathname) ? Response.json(metadata) : refusal('invalid_request', 404)
    },
  }
  return validated('endpoint', methods, tokenEndpointCalls)
}

/** The parameters of a form, each once. @throws SallyportError `invalid_request` */
async function formOf(request: Request): Promise<Map<string, string>> {
  const type = mediaType(request.headers.get('content-type'))
  const body = type === 'application/x-www-form-urlencoded' ? await readBody(request, MAX_BYTES) : undefined
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(new TextDecoder().decode(body))) {
    if (form.has(name)) throw refuse('invalid_request')
    if (value) form.set(name, value)
  }
  if (!form.size) throw refuse('invalid_request')
  return form
}

const answer = (status: number, body: object): Response =>
  Response.json(body, {
    status,
    headers: { 'Cache-Control': 'no-store', ...(status === 503 && { 'Retry-After': '5' }) },
  })

const refusal = (error: EndpointErrorCode, status = statuses[error] ?? 400): Response =>
  answer(status, { error, error_description: endpointErrors[error] })
