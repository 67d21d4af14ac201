import type { Principal } from '../../protocol/principal.js'
import { systemNow } from '../../protocol/time.js'
import { callWithTimeout } from '../../protocol/timeout.js'
import { validate } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-checks.js'
import type { Hold } from '../../store/ledger.js'
import type { Call } from '../approvals/approval.js'
import { digestOf } from '../canonical-json.js'
import { agentError } from '../errors.js'
import { callerIds } from '../is-person.js'
import { type AgentLimits, isAllowed } from '../limits.js'
import { limitsIn } from '../token-details.js'
import { withoutUndefined } from '../without-undefined.js'
import { budgetLines, type RegisteredBudgets, reserve, validateCost } from './budget.js'
import { createCategories } from './categories.js'
import { createGrant, type ToolGrant } from './grant.js'
import { createModels, type Model } from './language-models.js'
import { type ToolAccessOptions, type ToolCall, toolAccessOptions, validateCall } from './options.js'
import { createToolReport } from './report.js'
import { readArguments, readTools, type Tool, type ToolArguments, validateCredential, validateScopes } from './rules.js'
import { ignoreOutage } from './with-budget.js'

/** A call whose checks without the store have passed. */
interface Evaluation {
  principal: Principal
  tenant: string
  tool: Tool
  call: ToolCall
  args: ToolArguments
  model: Model | undefined
  limits: AgentLimits
}

/**
 * Call it before every tool call: it checks whether this caller may make exactly this call now, and reserves its budget. Resolves to a
 * {@link ToolGrant}, or rejects with a SallyportError; `agentAnswer(error)` makes a response of it.
 *
 * The order of the checks: credential and expiry, tool, arguments, scopes, tenant, limits of the token, model and its tier, categories
 * of the prompt; then the agent's status, the approval, the budgets of tenant, agent, key and person, and last the row in the audit
 * trail. A refused call has reserved nothing and used no approval up, unless the audit trail fails.
 *
 * Arguments do not choose tenant, model or category. If the store is down, the call is refused (StoreError, 503).
 *
 * Not checked: the signature of the credential, which the guard has verified; and the use of the grant. Call `grant.model`, with
 * `grant.args`.
 *
 * @throws TypeError naming the option
 */
export function createToolAccess(
  options: ToolAccessOptions,
): (principal: Principal, call: ToolCall) => Promise<ToolGrant> {
  validate('createToolAccess', toolAccessOptions, options)
  const { agents, ledger, budgets = {}, approvals, sandbox, ttl = 300, now = systemNow } = options
  const tools = readTools(options.tools, options)
  const models = createModels(options)
  const checkCategories = createCategories(options)
  const report = createToolReport(options)

  /** The checks without the store; the classifier comes last. */
  async function evaluate(principal: Principal, call: ToolCall): Promise<Evaluation> {
    const { method, client_id, tenant, expiresAt = 0 } = principal
    if (method !== 'agent_token' && method !== 'api_key') throw agentError('credential_not_accepted')
    if (method === 'agent_token' && !client_id) throw agentError('invalid_token', { because: 'client_id' })
    if (now() >= expiresAt) throw agentError('invalid_token', { because: 'expired' })
    if (!tenant) throw agentError('tenant_missing')
    const tool = tools.get(call.tool)
    if (!tool) throw agentError('tool_denied', { because: 'unknown' })
    validateCredential(tool, principal)
    validateCall(call)
    const args = readArguments(tool, call.args)
    validateScopes(tool.scopes, principal)
    if (call.tenant !== undefined && call.tenant !== tenant) throw agentError('tenant_mismatch')
    const limits = limitsIn(principal.claims)
    if (!isAllowed(limits, 'tools', tool.name)) throw agentError('tool_denied', { because: 'token' })
    const model = call.model === undefined ? undefined : validateModel(principal, limits, call.model)
    if (model || call.input !== undefined) await checkCategories(call.input, roleOf(principal), limits)
    return { principal, tenant, tool, call, args, model, limits }
  }

  function validateModel(principal: Principal, limits: AgentLimits, name: string): Model {
    const model = models.resolve(name)
    if (!isAllowed(limits, 'tiers', model.tier)) throw agentError('model_denied', { because: model.tier })
    validateScopes([model.scope], principal)
    return model
  }

  /** The status of the agent. API keys were looked up when they were verified. */
  async function registeredAgent(principal: Principal): Promise<RegisteredBudgets | undefined> {
    if (principal.method === 'api_key') return undefined
    const status = await agents.status(principal)
    if (!status.ok) throw agentError('invalid_token', { because: status.detail })
    // The token has a former role of the agent.
    if (status.agent.role !== roleOf(principal)) throw agentError('invalid_token', { because: 'role' })
    return status
  }

  /** Amount and budgets to reserve. */
  async function reservationFor({ principal, model, call }: Evaluation, status: RegisteredBudgets | undefined) {
    const policy = typeof budgets === 'function' ? await callWithTimeout(() => budgets(principal)) : budgets
    const found = budgetLines(principal, policy, { status })
    const cost = call.estimate === undefined ? undefined : models.cost(model, call.estimate)
    return { tenant: found.tenant, lines: found.lines, amount: validateCost(found, cost), ttl }
  }

  const reserveBudget = async (reservation: Awaited<ReturnType<typeof reservationFor>>): Promise<Hold | undefined> =>
    reservation.lines.length ? reserve(ledger, reservation) : undefined

  /** Releases the reservation if the rest fails. */
  async function releaseOnError(hold: Hold | undefined, rest: () => Promise<void>): Promise<void> {
    try {
      await rest()
    } catch (error) {
      if (hold) await ignoreOutage(ledger.release(hold))
      throw error
    }
  }

  async function admit(evaluation: Evaluation): Promise<ToolGrant> {
    const { principal, tool, call } = evaluation
    const approvalCall = callOf(evaluation)
    // Read at the same time as the agent's record, to save a round trip.
    const verifying =
      tool.approval && call.approval !== undefined ? approvals?.verify(call.approval, approvalCall) : undefined
    verifying?.catch(() => {})
    const reservation = await reservationFor(evaluation, await registeredAgent(principal))
    const approval = await verifying
    if (tool.approval && !approval)
      throw agentError('approval_required', await requestApproval(evaluation, approvalCall))
    const hold = await reserveBudget(reservation)
    await releaseOnError(hold, async () => {
      // After the reservation: a call that the budget refuses must not use the approval up.
      await approval?.consume()
      if (tool.audit)
        await report.append(principal, call, { decision: 'allowed', digest: await digestOf(approvalCall) })
    })
    // The call must start before the approval expires.
    const end = approval?.approval.expiresAt ?? Number.POSITIVE_INFINITY
    return grantOf(evaluation, hold, Math.min(now() + ttl, principal.expiresAt ?? 0, end))
  }

  /** An agent that is stopped during the request: its request is voided here, the earlier ones were voided by stop(). */
  async function requestApproval({ principal, tenant, tool }: Evaluation, approvalCall: Call) {
    const { agent, iss, sub } = approvalCall
    const { approval, freshWithin, acr } = tool
    const kind = approval === 'admin' || sub === undefined ? 'admin' : 'user'
    const requested = await approvals?.request({ ...approvalCall, kind, ...withoutUndefined({ freshWithin, acr }) })
    try {
      await registeredAgent(principal)
    } catch (error) {
      await approvals?.voidAll?.({ tenant, agent, ...withoutUndefined({ iss, sub }) })
      throw error
    }
    return requested
  }

  function grantOf(
    evaluation: Evaluation,
    hold: Hold | undefined,
    expiresAt: number,
    run = { done: false },
  ): ToolGrant {
    const { principal, tenant, tool, call, args, model, limits } = evaluation
    const facts = {
      tool: tool.name,
      args,
      tenant,
      ...(model && { model: model.name }),
      ...(tool.approval && call.approval !== undefined && { approvalId: call.approval }),
      expiresAt,
    }
    return createGrant({
      facts,
      ledger,
      hold,
      now,
      checkStatus: () => registeredAgent(principal),
      cost: (units) => models.cost(model, units),
      fallback: (name) =>
        report.reportOutcome(principal, call, tool, async () => {
          const fallback = { ...evaluation, model: validateModel(principal, limits, name) }
          const newHold = await reserveBudget(await reservationFor(fallback, await registeredAgent(principal)))
          await releaseOnError(newHold, async () => {
            const row = { decision: 'allowed', reason: 'fallback', digest: await digestOf(callOf(fallback)) } as const
            if (tool.audit) await report.append(principal, call, row)
          })
          return grantOf(fallback, newHold, expiresAt, run)
        }),
      run,
      sandbox: tool.sandbox && sandbox ? () => sandbox({ tool: tool.name, args, tenant }) : undefined,
      overran: (overrun) => report.overran(facts, principal, overrun),
    })
  }

  return async (principal, requested) => {
    validate('access', principalCheck, principal, 'principal')
    // A copy: the caller may change it meanwhile.
    const call = { ...requested }
    return report.reportOutcome(principal, call, tools.get(call.tool), async () =>
      admit(await evaluate(principal, call)),
    )
  }
}

const roleOf = ({ claims }: Principal): string | undefined =>
  typeof claims['role'] === 'string' ? claims['role'] : undefined

/** The call for approvals: only agents use tools that need one. */
const callOf = ({ principal, tenant, tool, call, args, model }: Evaluation) =>
  ({
    tenant,
    ...callerIds(principal),
    tool: tool.name,
    args,
    ...withoutUndefined({ resource: call.resource, model: model?.name, estimate: call.estimate }),
  }) as Call
