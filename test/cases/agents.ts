import { type Case, holds } from './case.js'

/** Agents: the threat model’s G, and A, the cases of keys, guards and agents. */
export const agentCases: readonly Case[] = [
  holds('A-70', 'a rotation cut short at any step loses no key, and revokes none before the new one works'),
]
