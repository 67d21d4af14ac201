import { jwtVerify } from 'jose'
import * as oidc from 'openid-client'
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
  const unusable = (flaw: string) => new UnreadableResponse(userinfo_endpoint, 200, flaw)
  try {
    const config = await configuration()
    const options = await proofs(config)
    const alias = settings.clientAuthentication === 'tls_client_auth' && mtls_endpoint_aliases?.['userinfo_endpoint']
    const response =
      settings.userinfo_signed_response_alg === undefined
        ? await oidc.fetchUserInfo(config, access_token, subject.sub, options)
        : await verified(
            await oidc.fetchProtectedResource(
              config,
              access_token,
              new URL(alias || userinfo_endpoint),
              'GET',
              undefined,
              undefined,
              options,
            ),
            settings.userinfo_signed_response_alg,
          )
    if (JSON.stringify(response).length <= MAX_LENGTH) return response
    throw unusable(`more than ${MAX_LENGTH} characters`)
  } catch (error) {
    if (error instanceof ProviderError && error.code === 'subject_mismatch') throw error
    if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
      throw new ProviderError('subject_mismatch')
    settings.emit({ type: 'userinfo_failed', detail: failures.failureAt(error, 'userinfo').detail })
    return undefined
  }

  /** A signed response. `iss` and `aud` are optional. @see OpenID Connect Core 1.0 section 5.3.2 */
  async function verified(response: Response, alg: string): Promise<UserInfo> {
    if (!response.ok || !/^application\/jwt\b/i.test(response.headers.get('content-type') ?? ''))
      throw unusable('not signed')
    const token = await response.text()
    const { clockTolerance, now, client_id } = settings
    const currentDate = new Date(now() * 1000)
    const { payload } = await keys
      .verify(token, (found) => jwtVerify(token, found, { algorithms: [alg], clockTolerance, currentDate }), true)
      .catch((error: unknown) => {
        throw error instanceof ProviderError ? error : unusable(`no valid JWT, ${(error as Error).name}`)
      })
    const { iss = subject.iss, aud = client_id, sub } = payload
    if (iss !== subject.iss || ![aud].flat().includes(client_id)) throw unusable('for another issuer or client')
    if (sub !== subject.sub) throw new ProviderError('subject_mismatch')
    return { ...payload, sub }
  }
}
