import type { Principal } from '../../protocol/principal.js'
import { systemNow } from '../../protocol/time.js'
import { callWithTimeout } from '../../protocol/timeout.js'
import { validate } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-shapes.js'
import type { Hold } from '../../store/ledger.js'
import type { Call } from '../approvals/approval.js'
import { digestOf } from '../canonical-json.js'
import { agentError } from '../errors.js'
import { callerIds } from '../is-person.js'
import { type AgentLimits, isWithin } from '../limits.js'
import { limitsIn } from '../token-details.js'
import { budgetLines, type Registered, reserve, validateCost } from './budget.js'
import { createCategories } from './categories.js'
import { createGrant, type ToolGrant } from './grant.js'
import { createModels, type Model } from './models.js'
import { type ToolAccessOptions, type ToolCall, toolAccessOptions, validateCall } from './options.js'
import { createToolReport } from './report.js'
import { readArguments, readTools, type Tool, type ToolArguments, validateCredential, validateScopes } from './rules.js'
import { settled } from './with-budget.js'

/** What has been found to be in order before anybody was asked. */
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
 * Asked before every tool call: may this caller do exactly this, now, and is there budget for it? Resolves to a
 * {@link ToolGrant}, or rejects with a SallyportError whose `code` says what to do; `agentAnswer(error)` makes a response of it.
 *
 * Looked at, in this order: the credential and its time, the tool, the arguments, scopes, tenant, what the token itself narrows, the
 * model and its tier, what the prompt is about; then whether the agent may still act, the approval, the budgets of tenant, agent,
 * key and person, and last the row in the audit trail. What is refused has reserved nothing and used no approval up, unless
 * it is the audit trail that fails.
 *
 * Arguments choose neither tenant nor model nor category. A store that cannot say refuses (StoreError, 503).
 *
 * Not checked: the credential itself, which the guard has verified; and what is done with the grant. Call `grant.model`, with
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

  /** What needs no store; the classifier comes last. */
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
    if (!isWithin(limits, 'tools', tool.name)) throw agentError('tool_denied', { because: 'token' })
    const model = call.model === undefined ? undefined : validateModel(principal, limits, call.model)
    if (model || call.input !== undefined) await checkCategories(call.input, roleOf(principal), limits)
    return { principal, tenant, tool, call, args, model, limits }
  }

  function validateModel(principal: Principal, limits: AgentLimits, name: string): Model {
    const model = models.resolve(name)
    if (!isWithin(limits, 'tiers', model.tier)) throw agentError('model_denied', { because: model.tier })
    validateScopes([model.scope], principal)
    return model
  }

  /** Whether the agent may still act: one read. Whoever has verified a key has looked it up. */
  async function registeredAgent(principal: Principal): Promise<Registered | undefined> {
    if (principal.method === 'api_key') return undefined
    const status = await agents.status(principal)
    if (!status.ok) throw agentError('invalid_token', { because: status.detail })
    // A token of the role that it had before.
    if (status.agent.role !== roleOf(principal)) throw agentError('invalid_token', { because: 'role' })
    return status
  }

  /** What to reserve, and from what. */
  async function reservationFor({ principal, model, call }: Evaluation, status: Registered | undefined) {
    const policy = typeof budgets === 'function' ? await callWithTimeout(() => budgets(principal)) : budgets
    const found = budgetLines(principal, policy, { status })
    const cost = call.estimate === undefined ? undefined : models.cost(model, call.estimate)
    return { tenant: found.tenant, lines: found.lines, amount: validateCost(found, cost), ttl }
  }

  const take = async (reservation: Awaited<ReturnType<typeof reservationFor>>): Promise<Hold | undefined> =>
    reservation.lines.length ? reserve(ledger, reservation) : undefined

  /** What was set aside is given back where the rest fails. */
  async function releaseOnError(hold: Hold | undefined, rest: () => Promise<void>): Promise<void> {
    try {
      await rest()
    } catch (error) {
      if (hold) await settled(ledger.release(hold))
      throw error
    }
  }

  async function admit(evaluation: Evaluation): Promise<ToolGrant> {
    const { principal, tool, call } = evaluation
    const about = aboutOf(evaluation)
    // Read beside the agent's record, so that it takes no round trip of its own.
    const reading = tool.approval && call.approval !== undefined ? approvals?.verify(call.approval, about) : undefined
    reading?.catch(() => {})
    const reservation = await reservationFor(evaluation, await registeredAgent(principal))
    const approval = await reading
    if (tool.approval && !approval) throw agentError('approval_required', await requestApproval(evaluation, about))
    const hold = await take(reservation)
    await releaseOnError(hold, async () => {
      // Only now: what the budget refuses has not used the approval up.
      await approval?.consume()
      if (tool.audit) await report.append(principal, call, { decision: 'allowed', digest: await digestOf(about) })
    })
    // What was approved is begun while the approval lasts, whenever it was used up.
    const end = approval?.approval.expiresAt ?? Number.POSITIVE_INFINITY
    return grantOf(evaluation, hold, Math.min(now() + ttl, principal.expiresAt ?? 0, end))
  }

  const ask = ({ approval, freshWithin, acr }: Tool, about: Call) =>
    approvals?.request({
      ...about,
      kind: approval === 'admin' || about.sub === undefined ? 'admin' : 'user',
      ...(freshWithin !== undefined && { freshWithin }),
      ...(acr && { acr }),
    })

  /** Whoever stops an agent takes back what it has asked for before; what it asks for at that moment is taken back here. */
  async function requestApproval({ principal, tenant, tool }: Evaluation, about: Call) {
    const asked = await ask(tool, about)
    try {
      await registeredAgent(principal)
    } catch (error) {
      const { agent, iss, sub } = about
      await approvals?.voidAll?.({
        tenant,
        agent,
        ...(sub !== undefined && { sub }),
        ...(iss !== undefined && { iss }),
      })
      throw error
    }
    return asked
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
        report.during(principal, call, tool, async () => {
          const fallback = { ...evaluation, model: validateModel(principal, limits, name) }
          const newHold = await take(await reservationFor(fallback, await registeredAgent(principal)))
          await releaseOnError(newHold, async () => {
            const row = { decision: 'allowed', reason: 'fallback', digest: await digestOf(aboutOf(fallback)) } as const
            if (tool.audit) await report.append(principal, call, row)
          })
          return grantOf(fallback, newHold, expiresAt, run)
        }),
      run,
      sandbox: tool.sandbox && sandbox ? () => sandbox({ tool: tool.name, args, tenant }) : undefined,
      overran: (overrun) => report.overran(facts, principal, overrun),
    })
  }

  return async (principal, asked) => {
    validate('access', principalCheck, principal, 'principal')
    // What is changed while this waits is not looked at.
    const call = { ...asked }
    return report.during(principal, call, tools.get(call.tool), async () => admit(await evaluate(principal, call)))
  }
}

const roleOf = ({ claims }: Principal): string | undefined =>
  typeof claims['role'] === 'string' ? claims['role'] : undefined

/** Tools that wait for people are used by agents alone. */
const aboutOf = ({ principal, tenant, tool, call, args, model }: Evaluation) =>
  ({
    tenant,
    ...callerIds(principal),
    tool: tool.name,
    args,
    ...(call.resource !== undefined && { resource: call.resource }),
    ...(model && { model: model.name }),
    ...(call.estimate !== undefined && { estimate: call.estimate }),
  }) as Call
