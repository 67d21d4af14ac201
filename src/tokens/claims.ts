import {
  anything,
  type Check,
  epochSeconds,
  list,
  mapOf,
  object,
  optional,
  type Shape,
  text,
} from '../protocol/shape.js'

/** Claims that only the issuer sets. */
const issuerClaims = ['iss', 'aud', 'sub', 'client_id', 'iat', 'nbf', 'exp', 'jti', 'scope']

/** The claims that an access token can have besides those of the issuer. All others must be listed in `disclose`. */
type StandardTokenClaims = {
  tenant?: string
  role?: string
  roles?: readonly string[]
  /** Epoch seconds. */
  auth_time?: number
  acr?: string
  amr?: readonly string[]
  /** What the token is bound to. @see RFC 7800 */
  cnf?: Readonly<Record<string, string>>
  /** The actor that acts for the subject. @see RFC 8693 section 4.1 */
  act?: Readonly<Record<string, unknown>>
  /** The subject under another identifier. @see RFC 9493 section 4.1 */
  sub_id?: Readonly<Record<string, unknown>>
  /** @see RFC 9396 */
  authorization_details?: readonly Readonly<Record<string, unknown>>[]
}

export interface AccessTokenClaims extends StandardTokenClaims {
  /** Claims that `disclose` lists. */
  readonly [claim: string]: unknown
}

const record = optional(mapOf(anything<unknown>()))

const standardClaims: Shape<StandardTokenClaims> = {
  tenant: optional(text),
  role: optional(text),
  roles: optional(list(text)),
  auth_time: optional(epochSeconds),
  acr: optional(text),
  amr: optional(list(text)),
  cnf: optional(mapOf(text)),
  act: record,
  sub_id: record,
  authorization_details: optional(list(mapOf(anything<unknown>()))),
}

/** Checks the types of the standard claims. {@link validateClaims} checks the names. */
export const claimsCheck = object(standardClaims, 'an object of claims', 'open') as Check<
  Readonly<Record<string, unknown>>
>

/**
 * Returns the claims without `undefined` values. APIs, logs and browsers can read access tokens. Therefore the claims are a closed
 * list: e-mail, telephone, address and claims of the application are refused unless `disclose` lists them.
 *
 * @throws TypeError naming the claim
 */
export function validateClaims(claims: AccessTokenClaims, disclose: readonly string[]): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(claims)) {
    if (issuerClaims.includes(name)) throw new TypeError(`tokens.issue: the claim "${name}" is set by the issuer`)
    if (!Object.hasOwn(standardClaims, name) && !disclose.includes(name))
      throw new TypeError(`tokens.issue: the claim "${name}" is not in "disclose"; add it if every API may read it`)
    if (value !== undefined) kept[name] = value
  }
  return kept
}
