import { emitTo } from '../../protocol/emit-to.js'
import { SallyportError } from '../../protocol/error.js'
import { systemNow } from '../../protocol/time.js'
import { validate, validated } from '../../protocol/validate.js'
import { type List, readPage } from '../../store/list.js'
import { warnOnce } from '../../store/warnings.js'
import { type AgentErrorCode, agentError, agentErrors } from '../errors.js'
import { personOf } from '../is-person.js'
import { withoutUndefined } from '../without-undefined.js'
import { type AgentRecord, recordOf, tenantIndex } from './agent-record.js'
import { type AgentsContext, rowOf } from './context.js'
import { type ConsentRequest, createDelegation, type ExchangeRequest, type TenantPage } from './delegation.js'
import { issueOwnToken, type TokenRequest } from './issue-token.js'
import { type AgentsOptions, type AgentToken, validateOptions } from './options.js'
import { checkProof, spendProof } from './proof.js'
import { type Consent, createRecords } from './records.js'
import { createRegistration, type NewAgent } from './registration.js'
import { defaultRoles, type RoleOf, type Roles, type ScopeOf } from './roles.js'
import { createStatusCheck } from './status.js'
import { createStopping } from './stopping.js'
import { agentsCalls, agentsOptions } from './validation.js'

export type Agents<Table extends Roles = Roles> = ReturnType<typeof createAgents<Table>>

/**
 * Registers agents, issues their tokens, and ends them.
 *
 * Each agent has a registered public key, a role that limits its scopes, and tokens of 15 minutes at most, which every API checks
 * against the store on every request (`agentToken`). Nothing is cached: the end of an agent, a consent or a person's sign-in is
 * effective on the next request in every process.
 *
 * Not checked: who calls these functions. Protect them like other administration, and do not accept agents' tokens there.
 *
 * @throws TypeError naming the option
 */
export function createAgents<const Table extends Roles = typeof defaultRoles>(options: AgentsOptions<Table>) {
  validate('createAgents', agentsOptions, options)
  type Scope = ScopeOf<Table>
  const { tokens, store, ledger, approvals, isPerson, onEvent, now = systemNow } = options
  const roles: Roles = options.roles ?? defaultRoles
  const records = createRecords(store)
  const emit = emitTo(onEvent)
  const warnAboutStore = warnOnce(store, (detail) => emit({ type: 'store_warning', detail }))
  const context: AgentsContext = {
    ...validateOptions(options, roles),
    tokens,
    store,
    records,
    roles,
    emit,
    now,
    ...withoutUndefined({ ledger, approvals, isPerson }),
  }
  const delegation = createDelegation(context)
  const stopping = createStopping(context)
  const registration = createRegistration(context, stopping.end)

  /** Emits an event if a token is refused. */
  async function reportRefusal<Made>(
    about: { tenant: string; agent: string; iss?: string; sub?: string },
    work: Promise<Made>,
  ): Promise<Made> {
    warnAboutStore()
    try {
      return await work
    } catch (error) {
      const code = error instanceof SallyportError ? error.code : ''
      if (Object.hasOwn(agentErrors, code))
        emit({ type: 'agent_token_refused', ...about, code: code as AgentErrorCode })
      throw error
    }
  }

  async function get(id: string, { tenant }: { tenant: string }): Promise<AgentRecord | undefined> {
    const stored = await records.agent(id)
    return stored?.row.tenant === tenant ? recordOf(stored.row) : undefined
  }

  const methods = {
    ...createStatusCheck({ issuer: tokens.issuer, store, now }),

    /**
     * Registers an agent. Of two at the same time with one id, one fails.
     *
     * @throws TypeError naming the field
     * @throws SallyportError `agent_key_refused`, `agent_exists`, and for a parent `agent_not_found`, `agent_ended`,
     *   `agents_stopped`, `agent_scope_refused`, `agent_limit_refused`, `chain_too_deep`
     */
    async register(request: NewAgent<RoleOf<Table>>): Promise<AgentRecord> {
      warnAboutStore()
      return registration.register(request)
    },

    /**
     * Changes an agent's budget or key. A new key ends its tokens at once. A new budget counts from the next request on, also for
     * tokens with a larger one.
     *
     * @throws TypeError naming the field
     * @throws SallyportError `agent_not_found`, `agent_ended`, `agent_key_refused`, `agent_limit_refused`, `agent_conflict`
     */
    update: registration.update,

    /** One agent of a tenant, ended ones included; `undefined` where the tenant has none of this id. */
    get,

    /** The agents of a tenant, ended ones included, a page at a time. */
    list: ({ tenant, ...page }: TenantPage): Promise<List<AgentRecord>> =>
      readPage(store, [tenantIndex, tenant], page, (id) => get(id, { tenant })),

    /**
     * Resolves to the agent that has signed this assertion with its registered key, within the last minute, for this issuer. An
     * assertion is accepted once. Not checked: whether the agent may have tokens.
     *
     * @throws SallyportError `agent_proof_refused`, for every cause
     * @see RFC 7523 section 3
     */
    async authenticate(assertion: string): Promise<AgentRecord> {
      const types = [undefined, 'jwt', 'client-authentication+jwt']
      const proof = await checkProof(assertion, { audience: tokens.issuer, types, records, now: now() })
      if ('row' in proof && (await spendProof(store, proof))) return recordOf(proof.row)
      const [agent, detail] = 'row' in proof ? [proof.row.id, 'used'] : [proof.agent, proof.flaw]
      emit({ type: 'agent_proof_refused', agent, detail })
      throw agentError('agent_proof_refused')
    },

    /**
     * Issues a token with which an agent acts for itself: `sub` and `client_id` are its id.
     *
     * Not checked: that the caller is this agent (`authenticate`).
     *
     * @throws TypeError naming the field
     * @throws SallyportError `agent_not_found`, `agent_ended`, `agents_stopped`, `agent_scope_refused`, `agent_limit_refused`,
     *   `agent_target_refused`
     */
    async issue(id: string, request: TokenRequest<Scope> & { tenant: string }): Promise<AgentToken> {
      const { tenant } = request
      const make = async () => issueOwnToken(context, (await rowOf(context, tenant, id)).row, request)
      return reportRefusal({ tenant, agent: id }, make())
    },

    /**
     * Issues a token with which an agent acts for a person: `sub` is the person, `client_id` and the outermost `act` the agent, and its
     * scopes are those that person, role, consent and request have in common. If the subject is an agent, `act` is nested, and scopes
     * and limits can only become smaller. The token does not live longer than the subject's, and ends with it.
     *
     * Not checked: that a guard has verified the subject.
     *
     * @throws SallyportError as `issue`, and `consent_missing`, `delegation_refused`, `chain_too_deep`
     * @see RFC 8693
     */
    async exchange(id: string, request: ExchangeRequest<Scope>): Promise<AgentToken> {
      const { subject } = request
      const {
        tenant = '',
        iss,
        sub,
      } = subject.method === 'agent_token' ? { ...subject, ...personOf(subject) } : subject
      const about = { tenant, agent: id, ...(iss !== undefined && { iss }), sub }
      return reportRefusal(about, delegation.exchange(id, request))
    },

    /**
     * Stores the consent of a person that an agent acts for them. There is one for each person and agent: a new one replaces the old
     * one and ends its tokens.
     *
     * @throws SallyportError `delegation_refused`, `agent_not_found`, `agent_ended`, `agent_scope_refused`
     */
    async consent(id: string, request: ConsentRequest<Scope>): Promise<Consent> {
      return delegation.consent(id, request)
    },
    /** Withdraws a consent: its tokens, also those that other agents got from them, end at once. */
    withdraw: delegation.withdraw,
    /** What a person has consented to, a page at a time. A page may hold fewer than `limit`, or nothing, and still have a `cursor`. */
    consents: delegation.consents,
    /**
     * Ends all tokens with which agents act for a person, or for one of their sessions: call it when they sign out or are disabled.
     * Sign-ins up to now are not accepted any more for tokens and consents: the person must sign in again.
     */
    endDelegations: delegation.endDelegations,

    /**
     * Ends an agent permanently, with the agents registered under it: their tokens, and those that others got from them, are refused on
     * the next request everywhere; their reservations are released, and their approvals are void. After a failure call it again.
     *
     * @throws SallyportError `agent_not_found`, `agent_conflict`
     */
    decommission: stopping.decommission,
    /** Stops all agents of a tenant: no tokens are accepted or issued until `resume()`. Tokens from before are not accepted again. */
    stop: stopping.stop,
    resume: stopping.resume,
    /** Since when (epoch seconds) and why the agents of a tenant are stopped; `undefined`: they are not stopped. */
    stopped: stopping.stopped,
  }
  return validated('agents', methods, agentsCalls)
}
