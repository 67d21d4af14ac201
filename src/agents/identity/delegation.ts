import type { Principal } from '../../protocol/principal.js'
import { CLOCK_TOLERANCE } from '../../protocol/time.js'
import { type List, type PageOptions, readPage } from '../../store/list.js'
import { agentError } from '../errors.js'
import { isPerson, type Person, personOf, signedInAt } from '../is-person.js'
import { type AgentLimits, narrowLimits } from '../limits.js'
import { hashedName } from '../record-name.js'
import { chainOf, type Dependence, dependenceIn, limitsIn } from '../token-details.js'
import { type AgentRow, newEpoch } from './agent-record.js'
import { type AgentsContext, rowOf } from './context.js'
import { sign, type TokenRequest, validateTokenRequest } from './issue-token.js'
import type { AgentToken } from './options.js'
import { type Consent, consentIndex, personName } from './records.js'
import { scopesOf } from './roles.js'
import { dependenceOf, evaluateStatus } from './status.js'

/** Options of a delegated token. */
export interface ExchangeRequest<Scope extends string> extends TokenRequest<Scope> {
  /** The subject, verified by a guard: a person who is signed in, or an agent that delegates to this one. */
  subject: Principal
  /** The person's session: the end of this session alone ends the token. Default: the claim `sid`, if there is one. */
  session?: string
}

export interface ConsentRequest<Scope extends string> {
  /** The person who consents, verified by a guard. */
  subject: Principal
  /** What the agent may do for the person: scopes of its role. */
  scopes: readonly Scope[]
  /** Seconds. Default and most: 90 days. */
  expiresIn?: number
}

const MAX_CONSENT = 90 * 86_400

/** A person in a tenant. */
export interface TenantPerson extends Person {
  tenant: string
}

/** Which page of what a tenant has. */
export interface TenantPage extends PageOptions {
  tenant: string
}

/** What is delegated, and what the new token depends on. */
interface Source {
  person: Person | undefined
  scopes: readonly string[]
  limits: AgentLimits
  depends: Dependence
  /** The actors so far; absent if there are none. */
  act?: Readonly<Record<string, unknown>>
}

export function createDelegation(context: AgentsContext) {
  const { store, records, roles, maxAge, maxDepth, tokens, approvals, emit, now } = context

  /** Checks that the subject is a person who is signed in. @throws SallyportError `delegation_refused` */
  function validatePerson(subject: Principal): Person & { tenant: string } {
    const { iss, sub, tenant, expiresAt = 0 } = subject
    if (!isPerson(subject, context.isPerson) || !iss || tenant === undefined || !(now() < expiresAt))
      throw agentError('delegation_refused')
    return { iss, sub, tenant }
  }

  /** Checks that this sign-in is later than the last end of sign-ins. @throws SallyportError `delegation_refused` */
  function validateSignIn(subject: Principal, end: { at?: number } | undefined): void {
    if (end?.at === undefined) return
    const since = signedInAt(subject)
    // The age of a sign-in in the future is not known.
    if (since === undefined || since <= end.at || since > now() + CLOCK_TOLERANCE)
      throw agentError('delegation_refused')
  }

  async function fromPerson({ subject, session }: ExchangeRequest<string>, row: AgentRow): Promise<Source> {
    const { id: agent } = row
    const { tenant, ...person } = validatePerson(subject)
    const sid = session ?? subject.claims['sid']
    const digest = typeof sid === 'string' ? await hashedName(sid) : undefined
    const [agentDependence, consent, end, isOver] = await Promise.all([
      dependenceOf(records, row),
      records.consentOf(tenant, person, agent),
      records.personOf(tenant, person),
      digest !== undefined && records.isOver(tenant, person, digest),
    ])
    if (isOver) throw agentError('delegation_refused')
    validateSignIn(subject, end)
    if (!consent || now() >= consent.expiresAt) throw agentError('consent_missing')
    return {
      person,
      scopes: subject.scopes.filter((scope) => consent.scopes.includes(scope)),
      limits: {},
      depends: {
        ...agentDependence,
        consent: { agent, id: consent.id },
        ...(end && { person: end.epoch }),
        ...(digest !== undefined && { session: digest }),
      },
    }
  }

  async function fromAgent({ subject }: ExchangeRequest<string>, row: AgentRow): Promise<Source> {
    const [agentDependence, { ok }] = await Promise.all([
      dependenceOf(records, row),
      evaluateStatus(records, tokens.issuer, subject, now()),
    ])
    const depends = dependenceIn(subject.claims)
    if (!ok || !depends) throw agentError('delegation_refused')
    const chain = chainOf(subject.claims)
    if (chain.length >= maxDepth) throw agentError('chain_too_deep')
    return {
      person: personOf(subject),
      scopes: subject.scopes,
      limits: limitsIn(subject.claims),
      // As of the first token: changes since then end this token too.
      depends: { ...depends, agents: { ...agentDependence.agents, ...depends.agents } },
      ...(chain.length > 0 && { act: subject.claims['act'] as Record<string, unknown> }),
    }
  }

  return {
    async exchange(id: string, request: ExchangeRequest<string>): Promise<AgentToken> {
      const { subject, scopes: requestedScopes, expiresIn = maxAge } = request
      const { row } = await rowOf(context, subject.tenant ?? '', id)
      validateTokenRequest(context, request, row.budget)
      const source = await (subject.method === 'agent_token' ? fromAgent : fromPerson)(request, row)
      const scopes = scopesOf(roles, row.role).filter(
        (scope) => source.scopes.includes(scope) && (!requestedScopes || requestedScopes.includes(scope)),
      )
      if (!scopes.length) throw agentError('agent_scope_refused')
      const lifetime = Math.min(expiresIn, Math.floor((subject.expiresAt ?? 0) - now()))
      if (lifetime < 1) throw agentError('delegation_refused')
      const act = { sub: row.id, ...(source.act && { act: source.act }) }
      const { depends, person } = source
      const limits = narrowLimits(source.limits, request)
      return sign(context, { row, sub: subject.sub, person, scopes, lifetime, depends, limits, act }, request)
    },

    async consent(
      agent: string,
      { subject, scopes, expiresIn = MAX_CONSENT }: ConsentRequest<string>,
    ): Promise<Consent> {
      const { tenant, ...person } = validatePerson(subject)
      const [{ row }, end] = await Promise.all([rowOf(context, tenant, agent), records.personOf(tenant, person)])
      validateSignIn(subject, end)
      if (row.decommissionedAt !== undefined) throw agentError('agent_ended')
      const allowed = scopesOf(roles, row.role)
      if (!scopes.length || scopes.some((scope) => !allowed.includes(scope))) throw agentError('agent_scope_refused')
      const at = now()
      const consent = {
        id: newEpoch(),
        tenant,
        ...person,
        agent,
        scopes: [...new Set(scopes)],
        at,
        expiresAt: at + expiresIn,
      }
      await records.setConsent(consent, expiresIn)
      emit({ type: 'consent_given', tenant, agent, ...person, scopes: consent.scopes })
      return consent
    },

    async withdraw(agent: string, { tenant, ...person }: TenantPerson): Promise<void> {
      if (await records.removeConsent(tenant, person, agent))
        emit({ type: 'consent_withdrawn', tenant, agent, ...person })
    },

    async consents(person: Person, { tenant, ...page }: TenantPage): Promise<List<Consent>> {
      return readPage(store, [consentIndex, await personName(tenant, person)], page, async (agent) => {
        const consent = await records.consentOf(tenant, person, agent)
        return consent && now() < consent.expiresAt ? consent : undefined
      })
    },

    async endDelegations({ iss, sub }: Person, { tenant, sid }: { tenant: string; sid?: string }): Promise<void> {
      const person = { iss, sub }
      if (sid === undefined) await records.setPerson(tenant, person, { epoch: newEpoch(), at: now() })
      else await records.setOver(tenant, person, await hashedName(sid))
      emit({ type: 'delegations_ended', tenant, ...person })
      if (sid === undefined) await approvals?.voidAll({ tenant, ...person })
    },
  }
}
