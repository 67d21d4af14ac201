export { type Peer, peerOf, withPeer } from '../protocol/http/peer.js'
export type { AuthenticationContext, AuthenticationResult, Authenticator, Principal } from '../protocol/principal.js'
export { accessToken } from './access-token.js'
export {
  type CertificateHolder,
  type ClientCertificate,
  type ClientCertificateOptions,
  clientCertificate,
} from './client-certificate.js'
export type { DpopOptions } from './dpop-proof.js'
export type { GuardErrorCode } from './errors.js'
export { createGuard, type Guard, type GuardEvent, type GuardOptions, type GuardResult } from './guard.js'
export type { ResourceMetadata } from './metadata.js'
export type { AccessTokenOptions, IntrospectionOptions } from './options.js'
export type { AccessEvaluation, Action, Policy, Requirements } from './requirements.js'
export type { RouteRequirements } from './route-requirements.js'
