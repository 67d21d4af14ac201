export { agentToken } from './agent-token.js'
export { type Agents, createAgents, type NewAgent } from './agents.js'
export type { ConsentWish, ExchangeWish } from './delegation.js'
export type { AgentDetails, Dependence } from './details.js'
export type { AgentErrorCode } from './errors.js'
export type { AgentEvent } from './events.js'
export type { TokenWish } from './issue.js'
export type { AgentBudget, AgentLimits } from './limits.js'
export type { AgentsOptions, AgentToken, AgentTokenIssuer } from './options.js'
export {
  createPeerCheck,
  type PeerCheckOptions,
  type PeerOutcome,
  type SignRequestOptions,
  signRequest,
} from './peer.js'
export type { AgentRecord } from './record.js'
export type { Consent } from './records.js'
export { defaultRoles } from './roles.js'
export { type AgentStanding, createStanding, type Standing, type StandingOptions } from './standing.js'
export { createTokenEndpoint, type TokenEndpointOptions } from './token-endpoint.js'
