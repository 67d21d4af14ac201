import { type Case, holds, refuses } from './case.js'

/** Agents: the threat model’s G, and A, the cases of keys, guards and agents. */
export const agentCases: readonly Case[] = [
  refuses('A-56', 'an approval for another amount, tool, tenant or person'),
  holds('A-57', 'one approval, many executions at once: one runs'),
  refuses('A-58', 'an approval that is decided or used late'),
  refuses('A-59', 'an approver who is a program, or who asked for it'),
  refuses('A-60', 'a call whose names stand twice; else one digest for one call, however it is written'),
  holds('A-61', 'two questions of one agent are decided one by one'),
  holds('A-65', 'no two tenants share a name; the tenant is the credential’s, not the body’s'),
  holds('A-66', 'no two tenants share a cached response'),
  refuses('A-68', 'an audit trail that was edited, reordered or cut below a kept head; appends at once make one chain'),
  refuses('G-04', 'a high-impact call without an approval, with what was asked for'),
  refuses('G-05', 'an approval used for other arguments, and it is spoilt'),
  refuses('G-06', 'an approval used twice'),
  refuses('G-07', 'an approval older than its lifetime'),
  refuses('G-08', 'an agent that decides about its own request'),
  holds('A-70', 'a rotation cut short at any step loses no key, and revokes none before the new one works'),
]
