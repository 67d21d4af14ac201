// Declares AsyncDisposable for users whose `lib` does not have it.
/// <reference lib="esnext.disposable" preserve="true" />

import { integer, object, text } from '../../protocol/shape.js'
import type { Now } from '../../protocol/time.js'
import { asyncCall, type Calls, validateArguments } from '../../protocol/validate.js'
import type { Hold, Ledger } from '../../store/ledger.js'
import { agentError } from '../errors.js'
import type { ToolArguments } from './rules.js'
import { ignoreOutage } from './with-budget.js'

/**
 * Authorization for one tool call. Has no secret in it: it can be logged.
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
  /** The model to call: use exactly this name. */
  readonly model?: string
  /** The approval that was used up for this call. */
  readonly approvalId?: string
  /** Epoch seconds. From then on the call must not start: the end of `ttl`, of the token, or of the approval. */
  readonly expiresAt: number
  /**
   * Call it when costs begin: from here on the whole estimate counts, unless the grant is settled.
   *
   * @throws SallyportError `grant_ended`: do not begin
   */
  started(): Promise<void>
  /**
   * Await it directly before each side effect. It checks again that the agent is not stopped or decommissioned and that neither token
   * nor approval has expired, and marks the grant as started. If it rejects, do not make the call.
   *
   * @throws SallyportError `invalid_token`, `grant_ended`
   */
  confirm(): Promise<void>
  /**
   * Settles the units that were really used. Counted once, also if it is called twice, and also after the grant has expired.
   * `overrun`: by how much a budget is now above its limit.
   *
   * @throws TypeError if it is not a whole number of 0 or more; then the whole estimate counts
   */
  settle(used: { units: number }): Promise<{ overrun: number }>
  /** Releases the whole reservation. Call it if nothing was used. */
  release(): Promise<void>
  /**
   * A grant for the same call with another model, which is checked and reserved like the first. If this grant has not started, its
   * reservation is released; else settle it.
   *
   * @throws SallyportError `model_denied`, `insufficient_scope`, `budget_exceeded`, `cost_unknown`, `invalid_token`, `grant_ended`
   */
  fallback(model: string): Promise<ToolGrant>
  /**
   * Confirms, and runs the call in the `sandbox` of the tool's rule. Works once, also if the run fails, and also after `fallback()`: to
   * run it again, request access again.
   *
   * @throws SallyportError `invalid_token`, `grant_ended`
   */
  runInSandbox(): Promise<unknown>
  /** At the end of the scope: releases a grant that has not started; else the whole estimate counts, unless it was settled. */
  [Symbol.asyncDispose](): Promise<void>
}

export const grantCalls = {
  started: asyncCall(),
  confirm: asyncCall(),
  // The cost of a unit depends on the model.
  settle: asyncCall(['used', object<{ units: number }>({ units: integer() })]),
  release: asyncCall(),
  // An unknown model is a refusal, not a `TypeError`.
  fallback: asyncCall(['model', text]),
  runInSandbox: asyncCall(),
} satisfies Calls<Omit<ToolGrant, typeof Symbol.asyncDispose>>

interface GrantContext {
  facts: Pick<ToolGrant, 'tool' | 'args' | 'tenant' | 'model' | 'approvalId' | 'expiresAt'>
  ledger: Ledger
  /** The reservation; `undefined` without a budget. */
  hold: Hold | undefined
  now: Now
  /** @throws SallyportError when the agent may no longer act */
  checkStatus(): Promise<unknown>
  /** The cost of units at this model’s rate. */
  cost(units: number): number | undefined
  fallback(model: string): Promise<ToolGrant>
  sandbox: (() => Promise<unknown>) | undefined
  /** Whether the call was run; shared with fallbacks. */
  run: { done: boolean }
  overran(overrun: number): void
}

export function createGrant(context: GrantContext): ToolGrant {
  const { facts, ledger, hold, now, checkStatus, cost, fallback, sandbox, run, overran } = context
  let state: 'open' | 'started' | 'settled' | 'released' = 'open'
  /** The settled cost. */
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
      // The call was not made and will not be.
      if (isFirst) await ignoreOutage(release())
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
    // A known cost is not released.
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
      // The grant, its reservation and the approval are for one call.
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
      if (state === 'open') await ignoreOutage(release())
      if (state === 'started' && hold) await ignoreOutage(ledger.settle(hold, paid ?? hold.amount))
    },
    // Last: V8 adds members after a spread ten times more slowly.
    ...facts,
  }
}
