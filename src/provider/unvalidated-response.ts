import type { CustomFetch } from 'openid-client'

/** A token response as the provider sent it. A member that is `null` is absent. */
export interface UnvalidatedResponse {
  readonly access_token?: unknown
  readonly refresh_token?: unknown
  readonly id_token?: unknown
  readonly [member: string]: unknown
}

/** The member under which openid-client hands on the response to a refresh. */
const UNVALIDATED = 'unvalidated'
/** The member under which it hands on the ID Token of a sign-in. */
const ID_TOKEN = 'unverified_id_token'

/**
 * Reads token responses before openid-client does. In all of them, a member that is `null` is absent.
 *
 * openid-client throws a response away as a whole if one member is invalid, or the ID Token in it. After a refresh that loses the
 * session: the old refresh token is used up, and the new one is gone. So openid-client gets a response to a refresh that is always
 * valid, with the real one inside. Requests, client authentication, DPoP and error responses stay openid-client’s.
 *
 * It does not get the ID Token of a sign-in: it knows neither the issuers of many tenants nor the configured algorithms, and refuses
 * a key set for one odd key.
 */
export function readTokenResponses(fetch: CustomFetch): CustomFetch {
  return async (url, options) => {
    const response = await fetch(url, options)
    const { body } = options
    const grant = body instanceof URLSearchParams ? body.get('grant_type') : null
    const refresh = grant === 'refresh_token'
    if (grant === null || (refresh ? !response.ok : response.status !== 200)) return response
    const members = membersOf(await response.clone().text())
    // openid-client reports what is no JSON object.
    if (!members) return response
    const headers = new Headers(response.headers)
    for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name)
    if (refresh) headers.set('content-type', 'application/json')
    const { id_token, ...others } = members
    const read = refresh
      ? { access_token: 'unread', token_type: 'bearer', [UNVALIDATED]: members }
      : { ...others, [ID_TOKEN]: id_token }
    return new Response(JSON.stringify(read), { headers })
  }
}

/** The response to a refresh, from the one that openid-client returns. */
export const unvalidated = (tokens: Readonly<Record<string, unknown>>): UnvalidatedResponse =>
  tokens[UNVALIDATED] as UnvalidatedResponse

/** The ID Token of a sign-in, from the response that openid-client returns. It may be anything. */
export const unverifiedIdToken = (tokens: Readonly<Record<string, unknown>>): string | undefined =>
  tokens[ID_TOKEN] as string | undefined

/** The members that are not `null`; `undefined` for anything but a JSON object. */
function membersOf(text: string): UnvalidatedResponse | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!(json instanceof Object) || Array.isArray(json)) return undefined
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null))
}
