import { type Case, refuses } from './case.js'

/** Agents: the threat model’s G, and A, the cases of keys, guards and agents. */
export const agentCases: readonly Case[] = [
  refuses('G-03', 'an agent’s token on a route beyond its scopes'),
  refuses('G-08', 'an agent that raises its own scopes, budget or life'),
  refuses('G-09', 'an agent that has more than its person, its role and the consent'),
  refuses('G-10', 'delegated tokens of a person who is signed out or disabled, down the chain'),
  refuses('G-11', 'an agent’s token at another API'),
  refuses('G-12', 'a wider scope for a sub-agent, or a chain that is too deep'),
  refuses('G-13', 'an actor that a header or a claim names'),
  refuses('G-14', 'agents of a tenant that was stopped'),
  refuses('G-15', 'agents where only people are let in'),
  refuses('A-51', 'what only an inner actor may: the outermost decides'),
  refuses('A-54', 'scopes outside the role, or that the person does not hold'),
  refuses('A-55', 'a decommissioned agent and its children, on the next request'),
  refuses('A-67', 'a signed request that is replayed, sent elsewhere or changed'),
]
