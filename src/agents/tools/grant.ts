// AsyncDisposable, also for whoever compiles against this without it.
/// <reference lib="esnext.disposable" preserve="true" />

import { integer, object, text } from '../../protocol/shape.js'
import type { Now } from '../../protocol/time.js'
import { asyncCall, type Calls, validateArguments } from '../../protocol/validate.js'
import type { Hold, Ledger } from '../../store/ledger.js'
import { agentError } from '../errors.js'
import type { ToolArguments } from './rules.js'
import { settled } from './with-budget.js'

/**
 * Leave to make one call. Holds no secret: it can be logged.
 *
 * ```ts
 * await using grant = await verifyToolAccess(principal, call)
 * await grant.confirm()
 * ```
 */
export interface ToolGrant extends AsyncDisposable {
  readonly tool: string
  readonly args: ToolArguments
  readonly tenant: string
  /** The model to call, by this name and no other. */
  readonly model?: string
  /** The approval that was used up for this. */
  readonly approvalId?: string
  /** Epoch seconds after which nothing may be begun any more: the end of `ttl`, of the token, or of the approval. */
  readonly expiresAt: number
  /**
   * Says that cost begins: from here on an end that nobody has seen counts in full.
   *
   * @throws SallyportError `grant_ended`: do not begin
   */
  started(): Promise<void>
  /**
   * To be awaited directly before the side effect, each time: looks once more whether the agent is stopped, decommissioned or
   * too late, also for its approval, and says that cost begins. When it rejects nothing may happen.
   *
   * @throws SallyportError `invalid_token`, `grant_ended`
   */
  confirm(): Promise<void>
  /**
   * What was really used, in the unit of the estimate; once, however often it is called, and also after the grant is over. `overrun`:
   * by how much a budget is above its limit for it.
   *
   * @throws TypeError for what is no whole number of 0 or more; then the whole estimate stays counted
   */
  settle(used: { units: number }): Promise<{ overrun: number }>
  /** Nothing was used: gives everything back. */
  release(): Promise<void>
  /**
   * Another grant for the same call, with another model, which is checked and paid for as the first was. What this one has set
   * aside is given back if nothing has started; else settle it.
   *
   * @throws SallyportError `model_denied`, `insufficient_scope`, `budget_exceeded`, `cost_unknown`, `invalid_token`, `grant_ended`
   */
  fallback(model: string): Promise<ToolGrant>
  /**
   * Confirms, and runs the call in `sandbox`: for tools whose rule says so. Once, also where it failed there, and with any
   * `fallback()`: what runs again is asked for again.
   *
   * @throws SallyportError `invalid_token`, `grant_ended`
   */
  runInSandbox(): Promise<unknown>
  /** The end of the scope: releases if nothing has started, else counts the whole estimate unless it was settled. */
  [Symbol.asyncDispose](): Promise<void>
}

/** What the functions of a grant take. */
export const grantCalls = {
  started: asyncCall(),
  confirm: asyncCall(),
  // What a unit costs is looked at beside the model.
  settle: asyncCall(['used', object<{ units: number }>({ units: integer() })]),
  release: asyncCall(),
  // Whether there is such a model is an answer.
  fallback: asyncCall(['model', text]),
  runInSandbox: asyncCall(),
} satisfies Calls<Omit<ToolGrant, typeof Symbol.asyncDispose>>

interface GrantContext {
  facts: Pick<ToolGrant, 'tool' | 'args' | 'tenant' | 'model' | 'approvalId' | 'expiresAt'>
  ledger: Ledger
  /** Where there is a budget. */
  hold: Hold | undefined
  now: Now
  /** @throws SallyportError when the agent may not go on */
  checkStatus(): Promise<unknown>
  /** On the budget, at this model’s rate. */
  cost(units: number): number | undefined
  fallback(model: string): Promise<ToolGrant>
  sandbox: (() => Promise<unknown>) | undefined
  /** Shared with its fallbacks: whether the call was run. */
  run: { done: boolean }
  overran(overrun: number): void
}

export function createGrant(context: GrantContext): ToolGrant {
  const { facts, ledger, hold, now, checkStatus, cost, fallback, sandbox, run, overran } = context
  let state: 'open' | 'started' | 'settled' | 'released' = 'open'
  /** What it has cost, once that was said. */
  let paid: number | undefined

  const checkExpiry = () => {
    if (now() >= facts.expiresAt) throw agentError('grant_ended')
  }

  async function started(): Promise<void> {
    if (state === 'started') return
    checkExpiry()
    if (state !== 'open' || (hold && !(await ledger.start(hold)))) throw agentError('grant_ended')
    state = 'started'
  }

  async function confirm(): Promise<void> {
    const isFirst = state === 'open'
    checkExpiry()
    if (state !== 'settled') await started()
    try {
      await checkStatus()
    } catch (error) {
      // Nothing has happened, and nothing will.
      if (isFirst) await settled(release())
      throw error
    }
  }

  async function settle(used: { units: number }): Promise<{ overrun: number }> {
    validateArguments('grant.settle', grantCalls.settle, used)
    const { units } = used
    if (!hold) return { overrun: 0 }
    const amount = paid ?? cost(units)
    if (amount === undefined) throw new TypeError('grant.settle: "units" must be a whole number, 0 or more')
    paid = amount
    if (state !== 'settled') state = 'started'
    const { overrun } = await ledger.settle(hold, amount)
    if (overrun && state !== 'settled') overran(overrun)
    state = 'settled'
    return { overrun }
  }

  async function release(): Promise<void> {
    // What is known to have cost something is not given back.
    if (paid !== undefined) return
    state = 'released'
    if (hold) await ledger.release(hold)
  }

  return {
    started,
    confirm,
    settle,
    release,

    async fallback(model) {
      validateArguments('grant.fallback', grantCalls.fallback, model)
      checkExpiry()
      if (state === 'open') await release()
      return fallback(model)
    },

    async runInSandbox() {
      if (!sandbox) throw new TypeError(`grant.runInSandbox: the rule of ${facts.tool} has no "sandbox"`)
      // One call was admitted and paid for, and one was approved.
      if (run.done || (state !== 'open' && state !== 'started')) throw agentError('grant_ended')
      run.done = true
      try {
        await confirm()
      } catch (error) {
        run.done = false
        throw error
      }
      return sandbox()
    },

    async [Symbol.asyncDispose]() {
      if (state === 'open') await settled(release())
      if (state === 'started' && hold) await settled(ledger.settle(hold, paid ?? hold.amount))
    },
    // Last: behind a spread V8 adds every further member ten times more slowly.
    ...facts,
  }
}
