import type { Principal } from '../protocol/principal.js'

/** A test of the application, for the tokens of its provider. */
export type PersonTest = (principal: Principal) => boolean

/**
 * Whether the principal is a signed-in person. The evidence is a session, or `auth_time` in the access token, or the result of `test`
 * in place of `auth_time`.
 *
 * Programs are never persons: agents, actors on behalf of others (`act`, RFC 8693), API keys (although they name their owner),
 * certificates, and clients on their own behalf. Many providers give such clients their own `sub`, a UUID or `x@clients`: a `sub`
 * that differs from `client_id` proves nothing.
 */
export function isPerson(principal: Principal, test: PersonTest = hasSignedIn): boolean {
  const { method, claims } = principal
  if (claims['act'] !== undefined) return false
  if (method === 'session_cookie') return true
  return method === 'access_token' && !isProgram(principal) && test(principal) === true
}

/** Keycloak has issued tokens of service accounts with `auth_time` 0. @see OpenID Connect Core 1.0 section 2 */
const hasSignedIn: PersonTest = ({ claims: { auth_time } }) => typeof auth_time === 'number' && auth_time > 0

/**
 * When a person signed in, epoch seconds: the start of the session here, or `auth_time` of the token, or else its `iat`.
 * `undefined`: unknown.
 */
export function signedInAt({ method, claims: { auth_time, iat } }: Principal): number | undefined {
  const [first, second] = method === 'session_cookie' ? [iat, auth_time] : [auth_time, iat]
  return typeof first === 'number' ? first : typeof second === 'number' ? second : undefined
}

/** Whether a client got the token for itself: the client is the subject, or a claim of Auth0, Entra or Keycloak says so. */
function isProgram({ sub, client_id, claims }: Principal): boolean {
  const { azp, gty, idtyp, preferred_username: name } = claims
  return (
    [client_id, azp, `${client_id}@clients`].includes(sub) ||
    (typeof gty === 'string' && gty.includes('client-credentials')) ||
    idtyp === 'app' ||
    (typeof name === 'string' && name.startsWith('service-account-'))
  )
}

/** A person is known by both: one `sub` may mean two people at two issuers. @see RFC 7519 section 4.1.2 */
export interface Person {
  iss: string
  sub: string
}

export const isSame = (a: Partial<Person>, b: Partial<Person>): boolean => a.sub === b.sub && a.iss === b.iss

/** What an agent's token says of the person: its own `iss` is the agents' issuer. @see RFC 9493 section 3.2.4 */
export const subjectId = (person: Person) => ({ format: 'iss_sub', ...person })

/** The person on whose behalf an agent calls. */
export function personOf({ method, sub, client_id, claims }: Principal): Person | undefined {
  if (method !== 'agent_token' || sub === client_id) return undefined
  const { format, iss } = (claims['sub_id'] ?? {}) as { format?: unknown; iss?: unknown }
  // Tokens of 0.1.0 have no issuer of the person: nobody matches them.
  return { sub, iss: format === 'iss_sub' && typeof iss === 'string' ? iss : '' }
}

/** The caller as approvals and the audit trail name it: the agent and the person; for an API key, the owner. */
export function callerIds(principal: Principal): { agent?: string } & Partial<Person> {
  const { method, client_id, sub } = principal
  const person = method === 'agent_token' ? personOf(principal) : { sub }
  return { ...(method === 'agent_token' && client_id !== undefined && { agent: client_id }), ...person }
}
