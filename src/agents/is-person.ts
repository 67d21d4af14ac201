import type { Principal } from '../protocol/principal.js'

/** What an application knows of the tokens of its provider. */
export type PersonTest = (principal: Principal) => boolean

/**
 * A person who is signed in: shown, never assumed. By a session of theirs, by `auth_time` in their token, or where `test` says
 * so, which then is asked instead of `auth_time`.
 *
 * Programs are not, whatever else is said: agents, whoever acts for somebody (`act`, RFC 8693), keys (which name a person as their
 * owner), certificates, and clients on their own behalf. Those have a `sub` of their own at many providers, a UUID or
 * `x@clients`: that it is not the client's name shows nothing.
 */
export function isPerson(principal: Principal, test: PersonTest = hasSignedIn): boolean {
  const { method, claims } = principal
  if (claims['act'] !== undefined) return false
  if (method === 'session_cookie') return true
  return method === 'access_token' && !isProgram(principal) && test(principal) === true
}

/** Keycloak has written 0 into the tokens of its service accounts. @see OpenID Connect Core 1.0 section 2 */
const hasSignedIn: PersonTest = ({ claims: { auth_time } }) => typeof auth_time === 'number' && auth_time > 0

/**
 * When a person signed in, epoch seconds: the beginning of their session here, `auth_time` of their token, or else when it was
 * issued. `undefined`: nobody says.
 */
export function signedInAt({ method, claims: { auth_time, iat } }: Principal): number | undefined {
  const [first, second] = method === 'session_cookie' ? [iat, auth_time] : [auth_time, iat]
  return typeof first === 'number' ? first : typeof second === 'number' ? second : undefined
}

/** What the tokens of clients are told by: the client as subject, and the words of Auth0, Entra and Keycloak. */
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
  // 0.1.0 wrote none: whose such a token is cannot be said.
  return { sub, iss: format === 'iss_sub' && typeof iss === 'string' ? iss : '' }
}

/** Whoever calls, as approvals and the audit trail name them: the agent, and the person; of a key its owner. */
export function callerIds(principal: Principal): { agent?: string } & Partial<Person> {
  const { method, client_id, sub } = principal
  const person = method === 'agent_token' ? personOf(principal) : { sub }
  return { ...(method === 'agent_token' && client_id !== undefined && { agent: client_id }), ...person }
}
