import {
  type AgentEvent,
  type AgentPlatformOptions,
  createAgentPlatform,
  createAgents,
  createApprovals,
  createAudit,
  type ToolGrant,
  verifyAudit,
} from 'sallyport/agents'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'
import { describe, expect, it, vi } from 'vitest'
import { AGENTS, API, agentKey, LOGIN, NOON, roles, signingKey } from './identity.js'

type Options = AgentPlatformOptions<typeof roles>

const tools = {
  'data.read': { scope: 'data:read', audit: true },
  'notes.replace': { scope: 'data:write', approval: 'human', audit: true },
} as const

const signing = await signingKey()

/** A platform over engines with one clock, which stands still. */
function world(more: (engines: Pick<Options, 'store' | 'ledger' | 'tokens' | 'now'>) => Partial<Options> = () => ({})) {
  let time = NOON
  const now = () => time
  const store = memoryStore({ now })
  const tokens = createTokenIssuer({ issuer: AGENTS, audience: API, keys: [signing], store, now })
  const events: AgentEvent[] = []
  const engines = { store, ledger: memoryLedger({ now }), tokens, now }
  const platform = createAgentPlatform({
    ...engines,
    tools,
    agents: { roles },
    onEvent: (event) => events.push(event),
    ...more(engines),
  })
  const caller = (id: string, scopes: readonly string[], claims: Record<string, unknown>) => ({
    method: 'agent_token' as const,
    iss: AGENTS,
    sub: id,
    client_id: id,
    tenant: 'acme',
    scopes,
    claims,
    expiresAt: NOON + 900,
  })
  async function agent() {
    const { publicKey } = await agentKey()
    const { id } = await platform.agents.register({ tenant: 'acme', owner: 'ops', role: 'writer', publicKey })
    const { access_token, scope } = await platform.agents.issue(id, { tenant: 'acme' })
    const claims = JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())
    return { id, principal: caller(id, scope.split(' '), claims) }
  }
  return { ...platform, ...engines, events, agent, pass: (seconds: number) => (time += seconds) }
}

describe('createAgentPlatform', () => {
  it('ties agents, tools, approvals and the audit trail to one store, clock and listener', async () => {
    const { agents, verifyToolAccess, approvals, audit, events, agent, pass } = world()
    const { id, principal } = await agent()
    const grant = await verifyToolAccess(principal, { tool: 'data.read', estimate: 10 })
    await grant.settle({ units: 10 })
    const call = { tenant: 'acme', agent: id, iss: LOGIN, sub: 'alice', tool: 'notes.replace', args: {} }
    const asked = await approvals.request({ ...call, kind: 'user' })
    pass(1)
    // Ending an agent takes back what waits for it: the parts know each other.
    await agents.decommission(id, { tenant: 'acme', reason: 'done' })
    expect(await approvals.get(asked.id, { tenant: 'acme' })).toMatchObject({ status: 'void', endedAt: NOON + 1 })
    await expect(verifyToolAccess(principal, { tool: 'data.read', estimate: 1 })).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expect((await audit.read({ tenant: 'acme' })).items.map(({ at, action }) => [at, action])).toContainEqual([
      NOON,
      'tool:data.read',
    ])
    expect(await verifyAudit(audit.exportLines({ tenant: 'acme' }))).toMatchObject({ ok: true })
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['agent_registered', 'tool_allowed', 'approval_requested', 'approval_voided']),
    )
  })

  it('hands each part the options that only it takes', async () => {
    const notify = vi.fn()
    const keep = vi.fn()
    const { approvals, audit, verifyToolAccess, agent } = world(() => ({
      agents: { roles: { writer: ['data:read'] }, maxAge: 60 },
      approvals: { notify, ttl: 10 },
      audit: { keep, checkpointEvery: 1 },
      toolAccess: { budgets: { tenant: { day: 5 } } },
    }))
    const { principal } = await agent()
    expect(principal.scopes).toEqual(['data:read'])
    expect(principal.claims).toMatchObject({ exp: NOON + 60 })
    const call = { tenant: 'acme', agent: 'a', iss: LOGIN, sub: 'alice', tool: 'notes.replace', args: {} }
    expect((await approvals.request({ ...call, kind: 'user' })).expiresAt).toBe(NOON + 10)
    expect(notify).toHaveBeenCalledOnce()
    await audit.append({ tenant: 'acme', action: 'x', decision: 'allowed' })
    expect(keep).toHaveBeenCalledOnce()
    await expect(verifyToolAccess(principal, { tool: 'data.read', estimate: 6 })).rejects.toMatchObject({
      code: 'budget_exceeded',
    })
  })

  it('takes each part of one’s own in the place of its own, for the other parts, too', async () => {
    const elsewhere = memoryStore()
    const append = vi.fn(createAudit({ store: elsewhere }).append)
    const audit = { ...createAudit({ store: elsewhere }), append }
    const approvals = createApprovals({ store: elsewhere, now: () => NOON })
    const voided = vi.spyOn(approvals, 'voidAll')
    const first = world(() => ({ parts: { audit, approvals } }))
    expect([first.audit, first.approvals]).toEqual([audit, approvals])
    const { id, principal } = await first.agent()
    await first.verifyToolAccess(principal, { tool: 'data.read', estimate: 1 })
    expect(append).toHaveBeenCalledWith(expect.objectContaining({ agent: id, action: 'tool:data.read' }))
    await first.agents.decommission(id, { tenant: 'acme', reason: 'done' })
    expect(voided).toHaveBeenCalledWith({ tenant: 'acme', agent: id })

    const second = world(({ store, tokens, now = () => NOON }) => {
      const agents = createAgents({ store, tokens, now, roles })
      const status = async () => ({ ok: false, detail: 'by my own' }) as const
      return { parts: { agents: { ...agents, status } } }
    })
    const own = await second.agent()
    await expect(second.verifyToolAccess(own.principal, { tool: 'data.read' })).rejects.toMatchObject({
      code: 'invalid_token',
    })

    const verifyToolAccess = async (): Promise<ToolGrant> => Promise.reject(new Error('nothing today'))
    expect(world(() => ({ parts: { verifyToolAccess } })).verifyToolAccess).toBe(verifyToolAccess)
  })

  it('refuses what is shared in the options of one part, and to have no tools', () => {
    expect(() => world(() => ({ tools: {} }))).toThrow(/"tools" is empty/)
    expect(() => world(() => ({ audit: { store: memoryStore() } as object }))).toThrow(
      /^createAgentPlatform: "audit.store"/,
    )
  })
})
