import { type Case, holds, refuses } from './case.js'

/** Agents: the threat model’s G, and A, the cases of keys, guards and agents. */
export const agentCases: readonly Case[] = [
  refuses('A-25', 'amounts that are none'),
  refuses('A-26', 'a budget of 0; one that is not there has no limit'),
  holds('A-27', 'calls at once in several instances: what is admitted stays within the limit'),
  refuses('A-28', 'a call that one of its budgets has no room for, and none of them is spent'),
  holds('A-29', 'what was reserved by whoever is gone is free again'),
  holds('A-30', 'a cost counts once, however often it is settled'),
  holds('A-31', 'a stream that is aborted costs what had come, never nothing'),
  holds('A-32', 'a cost counts in the day in which it was reserved'),
  holds('A-33', 'holds end by the store’s clock, not by that of the process'),
  holds('A-34', 'spend is there after a crash of the database, once'),
  refuses('A-35', 'a cost that cannot be told, and a ledger that cannot be asked'),
  refuses('A-36', 'a token that allows itself more than the policy'),
  holds('A-37', 'a model is paid for as what it is, not as what it is called'),
  refuses('A-62', 'a prompt about what is not for this role, or that nobody could classify, in every part'),
  refuses('A-63', 'a fallback to a model of another tier'),
  refuses('A-64', 'a model that is not known; one that is has one name for check and call'),
  refuses('A-69', 'arguments that are no plain data, or not what the tool accepts'),
  refuses('G-01', 'a call with the budget used up'),
  holds('G-02', '20 calls at once against a budget for 5'),
  refuses('G-04', 'a high-impact call without an approval, with what was asked for'),
  refuses('G-14', 'a write after the stop, with a grant from before'),
]
