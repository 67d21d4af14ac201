import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'

/** Characters of JSON. A picture should be a URL, not data in every session. */
const MAX_LENGTH = 65_536

/** The UserInfo response; `undefined` if the request failed or the response is too long. @throws ProviderError `subject_mismatch` */
export async function userinfo(
  access_token: string,
  sub: string,
  { emit }: ProviderSettings,
  { metadata, configuration, proofs }: ProviderConfiguration,
): Promise<oidc.UserInfoResponse | undefined> {
  if (!(await metadata()).userinfo_endpoint) return undefined
  try {
    const config = await configuration()
    const response = await oidc.fetchUserInfo(config, access_token, sub, await proofs(config))
    if (JSON.stringify(response).length <= MAX_LENGTH) return response
  } catch (error) {
    if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
      throw new ProviderError('subject_mismatch')
  }
  emit({ type: 'userinfo_failed' })
  return undefined
}
