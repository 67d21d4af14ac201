export type { AccessTokenClaims } from './claims.js'
export { isSallyportError, type TokenErrorCode } from './errors.js'
export type { SigningAlg, SigningKey } from './signing-keys.js'
export {
  createTokenIssuer,
  type IssuedToken,
  type NewToken,
  type TokenIssuer,
  type TokenIssuerEvent,
  type TokenIssuerOptions,
} from './token-issuer.js'
