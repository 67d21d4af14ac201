import { jwtVerify } from 'jose'
import * as oidc from 'openid-client'
import { isObject } from '../protocol/shape.js'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { UnreadableResponse } from './failures/provider-fetch.js'
import type { FailureReports } from './failures/report.js'
import type { ProviderKeys } from './jwt/provider-keys.js'
import type { ProviderSettings } from './settings.js'

/** Characters of JSON. A picture should be a URL, not data in every session. */
const MAX_LENGTH = 65_536

type UserInfo = Readonly<Record<string, unknown>> & { sub: string }

/** The user, by the verified ID Token. */
interface Subject {
  readonly iss: string
  readonly sub: string
}

/** The UserInfo response; `undefined` if the request failed or the response is too long. @throws ProviderError `subject_mismatch` */
export async function userinfo(
  access_token: string,
  subject: Subject,
  settings: ProviderSettings,
  { metadata, configuration, proofs }: ProviderConfiguration,
  keys: ProviderKeys,
  failures: FailureReports,
): Promise<UserInfo | undefined> {
  const { userinfo_endpoint, mtls_endpoint_aliases } = await metadata()
  if (!userinfo_endpoint) return undefined
  const { userinfo_signed_response_alg: registeredAlg, clientAuthentication, emit } = settings
  const unusable = (flaw: string) => new UnreadableResponse(userinfo_endpoint, 200, flaw)
  try {
    const claims = await fetchClaims(userinfo_endpoint)
    if (typeof claims['sub'] !== 'string') throw unusable('no usable sub')
    if (claims['sub'] !== subject.sub) throw new ProviderError('subject_mismatch')
    if (JSON.stringify(claims).length > MAX_LENGTH) throw unusable(`more than ${MAX_LENGTH} characters`)
    return { ...claims, sub: subject.sub }
  } catch (error) {
    if (error instanceof ProviderError && error.code === 'subject_mismatch') throw error
    emit({ type: 'userinfo_failed', detail: failures.failureAt(error, 'userinfo').detail })
    return undefined
  }

  async function fetchClaims(endpoint: string): Promise<Readonly<Record<string, unknown>>> {
    const config = await configuration()
    const alias = clientAuthentication === 'tls_client_auth' && mtls_endpoint_aliases?.['userinfo_endpoint']
    const headers = new Headers({ Accept: 'application/json, application/jwt' })
    const url = new URL(alias || endpoint)
    const options = await proofs(config)
    const response = await oidc.fetchProtectedResource(config, access_token, url, 'GET', undefined, headers, options)
    const text = await response.text()
    if (/^application\/jwt\b/i.test(response.headers.get('content-type') ?? '')) return verified(text)
    if (registeredAlg !== undefined) throw unusable('not signed')
    return parsed(text)
  }

  function parsed(text: string): Readonly<Record<string, unknown>> {
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {}
    if (!isObject(json)) throw unusable('no JSON object')
    return json
  }

  /** The claims of a signed response. `iss` and `aud` are optional. @see OpenID Connect Core 1.0 section 5.3.2 */
  async function verified(token: string): Promise<Readonly<Record<string, unknown>>> {
    const { clockTolerance, now, client_id, idTokenAlgs } = settings
    const algorithms = registeredAlg === undefined ? [...idTokenAlgs] : [registeredAlg]
    const currentDate = new Date(now() * 1000)
    const { payload } = await keys
      .verify(token, (found) => jwtVerify(token, found, { algorithms, clockTolerance, currentDate }), true)
      .catch((error: unknown) => {
        throw error instanceof ProviderError ? error : unusable(`no valid JWT, ${(error as Error).name}`)
      })
    const { iss = subject.iss, aud = client_id } = payload
    if (iss !== subject.iss || ![aud].flat().includes(client_id)) throw unusable('for another issuer or client')
    return payload
  }
}
