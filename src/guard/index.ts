export { type Peer, peerOf, withPeer } from '../protocol/http/peer.js'
export type { AuthenticationContext, Authenticator, Principal, Verdict } from '../protocol/principal.js'
export { accessToken } from './access-token.js'
export {
  type CertificateHolder,
  type ClientCertificate,
  type ClientCertificateOptions,
  clientCertificate,
} from './client-certificate.js'
export type { GuardErrorCode } from './errors.js'
export { createGuard, type Guard, type GuardEvent, type GuardOptions, type Outcome } from './guard.js'
export type { ResourceMetadata } from './metadata.js'
export type { Action, Needs, Policy, Question } from './needs.js'
export type { AccessTokenOptions, IntrospectionOptions } from './options.js'
export type { DpopOptions } from './proof.js'
export type { RouteNeeds } from './route-needs.js'
