import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import { peerOf } from '../../protocol/http/peer.js'
import { clientOf, isPublic, type MockClient, type ProviderState } from './provider-state.js'

/** The client that a request authenticates as, for forms that need no other member. */
export async function authenticate(
  state: ProviderState,
  request: Request,
  form: URLSearchParams,
): Promise<MockClient | undefined> {
  const client = await proven(state, request, form)
  return (form.get('client_id') ?? client?.client_id) === client?.client_id ? client : undefined
}

/**
 * The client that a request authenticates as, by the one method that it is registered for: a certificate, a signed
 * assertion, a secret by `client_secret_basic` or `client_secret_post`, never two at once; a public client by its
 * `client_id` only.
 */
async function proven(state: ProviderState, request: Request, form: URLSearchParams): Promise<MockClient | undefined> {
  const assertion = form.get('client_assertion')
  const [scheme, credentials = ''] = (request.headers.get('authorization') ?? '').split(' ')
  const inForm = form.get('client_secret')
  if ([assertion, scheme || null, inForm].filter((proof) => proof !== null).length > 1) return undefined
  if (assertion !== null) return asserted(state, assertion, form, request)
  if (scheme) {
    if (scheme.toLowerCase() !== 'basic') return undefined
    const [client_id = '', client_secret] = basic(credentials) ?? []
    return bySecret(clientOf(state, client_id), client_secret)
  }
  const client = clientOf(state, form.get('client_id'))
  if (client && isPublic(client)) return inForm === null ? client : undefined
  return client?.certificate ? byCertificate(client, request) : bySecret(client, inForm ?? undefined)
}

/** The client_id and secret; `undefined` if they are not correctly encoded. @see RFC 6749 section 2.3.1 */
function basic(credentials: string): string[] | undefined {
  try {
    const parts = atob(credentials).split(':')
    return parts.length === 2 ? parts.map((part) => decodeURIComponent(part.replaceAll('+', ' '))) : undefined
  } catch {
    return undefined
  }
}

const bySecret = (client: MockClient | undefined, client_secret: string | undefined): MockClient | undefined =>
  client?.client_secret !== undefined && client.client_secret === client_secret ? client : undefined

/** @see RFC 8705 section 2 */
function byCertificate(client: MockClient, request: Request): MockClient | undefined {
  const presented = peerOf(request)?.certificate
  return presented && `${presented}` === `${client.certificate}` ? client : undefined
}

/** The issuer or the URL of the request is the only `aud`, the lifetime is at most a minute, and `jti` is used once. @see RFC 7523 section 3 */
async function asserted(
  state: ProviderState,
  assertion: string,
  form: URLSearchParams,
  { url }: Request,
): Promise<MockClient | undefined> {
  if (form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer') return undefined
  try {
    const client = clientOf(state, decodeJwt(assertion).iss)
    if (!client?.jwks) return undefined
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(client.jwks), {
      issuer: client.client_id,
      subject: client.client_id,
      currentDate: new Date(state.now() * 1000),
      requiredClaims: ['exp', 'jti'],
    })
    const { aud, exp = 0, jti = '' } = payload
    const expected = state.assertionAudience === 'endpoint' ? url : state.issuer
    if (aud !== expected || exp > state.now() + 60 || !isFirst(state, `assertion ${jti}`)) return undefined
    return client
  } catch {
    return undefined
  }
}

/** Whether an identifier is used for the first time. */
export function isFirst({ seen }: ProviderState, name: string): boolean {
  if (seen.has(name)) return false
  seen.add(name)
  return true
}
