import type { JWK } from 'jose'
import {
  anyText,
  bytes,
  check,
  integer,
  isObject,
  list,
  mapOf,
  object,
  oneOf,
  optional,
  text,
} from '../../protocol/shape.js'
import { endpoints, type Fault } from './faults.js'
import type { SigningKey } from './keys.js'
import type { MockClient } from './provider-state.js'

/** Not checked for strength: a test may need a weak key. */
const jwk = check<JWK>('a JWK', isObject)

export const clientCheck = object<MockClient>(
  {
    client_id: text,
    client_secret: optional(text),
    token_endpoint_auth_method: optional(oneOf('none')),
    jwks: optional(object<{ keys: JWK[] }>({ keys: list(jwk) }, 'public keys: { keys: […] }')),
    certificate: optional(bytes),
    userinfo_signed_response_alg: optional(oneOf('RS256', 'ES256')),
    redirect_uris: list(text),
    post_logout_redirect_uris: optional(list(text)),
  },
  'a client: { client_id, … }',
)

export const userCheck = check<Readonly<Record<string, unknown>>>(
  'a user: { sub, … }',
  (value) => isObject(value) && typeof value['sub'] === 'string' && value['sub'] !== '',
)

export const keyCheck = check<SigningKey>(
  'a key of generateKeys()',
  (value) => isObject(value) && isObject(value['publicJwk']),
)

export const endpointCheck = oneOf(...endpoints)

const answer = object<Exclude<Fault, string>>({
  status: integer({ least: 200, most: 599 }, 'a status'),
  body: optional(anyText),
  headers: optional(mapOf(anyText)),
})

export const faultCheck = check<Fault>(
  '{ status }, "network", "refused" or "lost"',
  (value) => ['network', 'refused', 'lost'].some((one) => one === value) || !answer.flaw(value),
)
