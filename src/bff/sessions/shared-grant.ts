import type { SessionRecord } from './session-record.js'

/** Who was granted what a refresh token stands for, and in which session at the provider. */
export type GrantOwner = Pick<SessionRecord, 'iss' | 'sub' | 'sid'>

/**
 * Whether one revocation may end the tokens of both. A provider may end the whole grant (RFC 7009 section 2.1), and some have one
 * grant for each of their sessions and clients, however often the user signs in (Keycloak). Without a `sid`, it cannot be told.
 */
export const mayShareGrant = (one: GrantOwner, other: GrantOwner): boolean =>
  one.iss === other.iss && (one.sid === undefined || other.sid === undefined || one.sid === other.sid)
