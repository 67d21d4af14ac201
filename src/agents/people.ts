import type { Principal } from '../protocol/principal.js'

/**
 * A person who is signed in. Programs are not: agents, whoever acts for somebody (`act`, RFC 8693), keys (which name a person as
 * their owner), certificates, and clients on their own behalf, whose tokens name the client as the subject.
 */
export const isPerson = ({ method, sub, client_id, claims }: Principal): boolean =>
  (method === 'session_cookie' || method === 'access_token') && claims['act'] === undefined && sub !== client_id

/** The person on whose behalf an agent calls. */
export const personOf = ({ method, sub, client_id }: Principal): string | undefined =>
  method === 'agent_token' && sub !== client_id ? sub : undefined

/** Whoever calls, as approvals and the audit trail name them: the agent, and the person; of a key its owner. */
export function whoOf(principal: Principal): { agent?: string; sub?: string } {
  const { method, client_id, sub } = principal
  const person = method === 'agent_token' ? personOf(principal) : sub
  return {
    ...(method === 'agent_token' && client_id !== undefined && { agent: client_id }),
    ...(person !== undefined && { sub: person }),
  }
}
