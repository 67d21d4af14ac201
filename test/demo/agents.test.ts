import { generateKeyPairSync } from 'node:crypto'
import { verifyAudit } from 'sallyport/agents'
import { accessToken, createGuard } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { toNodeListener } from 'sallyport/node'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AgentDesk, openAgentDesk } from '../../demo/server/agents/index.js'
import { agentScopes, decide } from '../../demo/server/agents/registry.js'
import { createLoopbackServer } from '../../demo/server/loopback.js'
import { createNotesApi } from '../../demo/server/notes.js'

const tenant = 'looking-glass'
const server = createLoopbackServer('localhost', 0)
let desk: AgentDesk
let notes: ReturnType<typeof createNotesApi>
let tokenOf: (sub: string, roles?: string[]) => Promise<string>

// The agents' part of the demo behind a real server, with people whose tokens are made here: no page, no provider.
beforeAll(async () => {
  await server.open()
  const resource = `${server.origin}/api`
  const [store, ledger] = [memoryStore(), memoryLedger()]
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = JSON.stringify({ ...privateKey.export({ format: 'jwk' }), alg: 'ES256' })
  const login = createTokenIssuer({
    issuer: 'https://login.example.com',
    audience: resource,
    keys: [{ alg: 'ES256', key }],
    store,
    disclose: ['roles'],
  })
  tokenOf = async (sub, roles = []) => {
    const input = {
      sub,
      client_id: 'fieldnotes',
      scopes: agentScopes,
      // In another second than any end of sign-ins before.
      claims: { auth_time: Math.ceil(Date.now() / 1000), tenant, roles },
    }
    return (await login.issue(input)).access_token
  }
  desk = await openAgentDesk({ origin: server.origin, resource, tenant, store, ledger })
  const { isActive: isOwnerActive } = desk.registry
  const keys = createApiKeys({ store, prefix: 'demo_key', scopes: ['data:read'], isOwnerActive })
  const people = accessToken({ issuer: login.issuer, algs: login.algs, keys: login.keys })
  const protect = createGuard({ resource, accept: [people, apiKey(keys), desk.accept], decide })
  notes = createNotesApi({ protect, freshness: 60 })
  const { console, tools, endpoint } = desk.open(protect, keys, notes.store)
  const listeners = { '/api/agents': console, '/api/tools': tools, '/agents/': endpoint }
  server.handle((request, response) => {
    const [, handler] = Object.entries(listeners).find(([path]) => request.url?.startsWith(path)) ?? []
    if (handler) toNodeListener(handler)(request, response)
    else response.writeHead(404).end()
  })
})
afterAll(async () => {
  await desk?.close()
  await server.close()
})

interface Seen {
  agents: { id: string; spent: number; run?: { state: string; steps: Record<string, unknown>[] } }[]
  waiting: { id: string; code: string; tool: string; args: string; decides: boolean }[]
  trail: { rows: { action: string; decision: string; reason?: string; agent?: string; sub?: string }[] }
}

async function ask(token: string, method: string, path: string, body?: unknown) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const headers = { Authorization: `Bearer ${token}` }
  const response = await fetch(`${server.origin}/api/agents${path}`, { method, headers, ...sent })
  const text = await response.text()
  return { status: response.status, body: text && path !== '/audit' ? JSON.parse(text) : text }
}

const look = async (token: string): Promise<Seen> => (await ask(token, 'GET', '')).body

/** An agent of Alice's that may act for her, at work. */
async function atWork(name: string, input: { role?: string; budget?: number } = {}) {
  const alice = await tokenOf('alice')
  const { body } = await ask(alice, 'POST', '', { name, role: 'assistant', budget: 20_000, ...input })
  const id: string = body.id
  await ask(alice, 'POST', `/${id}/consent`)
  expect((await ask(alice, 'POST', `/${id}/run`)).status).toBe(204)
  const run = async () => (await look(alice)).agents.find((agent) => agent.id === id)?.run
  /** The run, once it is over. */
  const over = async () => {
    await expect.poll(async () => (await run())?.state, { timeout: 15_000 }).toBe('over')
    return (await run())?.steps ?? []
  }
  async function waits(tool: string, by = alice) {
    const find = async () => (await look(by)).waiting.find((one) => one.tool === tool)
    await expect.poll(find, { timeout: 10_000 }).toBeTruthy()
    return find()
  }
  /** Decides about the call that waits next. */
  async function decide(tool: string, approve: boolean, by = alice) {
    const found = await waits(tool, by)
    return ask(by, 'POST', `/approvals/${found?.id}`, { approve, code: found?.code })
  }
  return { alice, id, over, waits, decide }
}

const rowsOf = async (token: string, id: string) =>
  (await look(token)).trail.rows
    .filter(({ agent }) => agent === id)
    .map(({ action, decision, reason }) => [action, decision, ...(reason ? [reason] : [])])

describe('an agent of the demo', () => {
  it('[D-06] that obeys a poisoned note deletes and transfers nothing; and a row says so', async () => {
    const { alice, id, over, decide } = await atWork('victim')
    notes.store.add('alice', 'Keep me')
    for (const tool of ['notes.add', 'courier.book']) expect((await decide(tool, false)).status).toBe(204)
    expect((await decide('code.run', false, await tokenOf('bob', ['administrator']))).status).toBe(204)
    const before = notes.store.of('alice').length
    // It waits; and what waits has not happened.
    await decide('notes.delete_all', false)
    const steps = await over()
    expect(steps.slice(-2)).toMatchObject([
      { tool: 'notes.delete_all', args: '{}', told: true, state: 'refused', error: 'approval_denied' },
      { tool: 'account.transfer', told: true, state: 'refused', status: 403, error: 'insufficient_scope' },
    ])
    expect(notes.store.of('alice')).toHaveLength(before)
    expect(await rowsOf(alice, id)).toEqual(
      expect.arrayContaining([
        ['tool:notes.delete_all', 'refused', 'approval_required'],
        ['tool:notes.delete_all', 'refused', 'approval_denied'],
        ['tool:account.transfer', 'refused', 'insufficient_scope'],
      ]),
    )
  })

  it('[D-06 twin] does what its person and an administrator have approved, once each', async () => {
    const { alice, id, over, decide } = await atWork('helper')
    const bob = await tokenOf('bob', ['administrator'])
    const before = notes.store.of('alice').length
    await decide('notes.add', true)
    await decide('courier.book', true)
    // What needs an administrator is not for its own person to approve.
    expect((await decide('code.run', true)).body.error).toBe('approver_refused')
    await decide('code.run', true, bob)
    await decide('notes.delete_all', true)
    const steps = await over()
    expect(steps.map(({ tool, state }) => [tool, state])).toEqual([
      ['notices.read', 'done'],
      ['notes.read', 'done'],
      ['notes.add', 'done'],
      ['courier.book', 'done'],
      ['code.run', 'done'],
      ['shared.read', 'done'],
      ['notes.delete_all', 'done'],
      ['account.transfer', 'refused'],
    ])
    expect(steps[4]).toMatchObject({ as: 'delegated', result: expect.stringContaining('{\\"sum\\":645') })
    expect(steps[2]).toMatchObject({ args: `{"text":"Counted by the agent: ${before} notes."}` })
    expect(notes.store.of('alice')).toEqual([])
    const seen = await look(alice)
    const spent = steps.reduce((sum, { units = 0 }) => sum + Number(units), 0)
    expect(seen.agents.find((agent) => agent.id === id)?.spent).toBe(spent)
    const { body } = await ask(alice, 'GET', '/audit/result')
    expect(body.result).toMatchObject({ ok: true, covered: body.kept })
    const lines = (await ask(bob, 'GET', '/audit')).body.trim().split('\n')
    expect(await verifyAudit(lines, { head: desk.registry.keptHead(tenant) })).toMatchObject({ ok: true })
    lines[2] = lines[2].replace('allowed', 'refused')
    expect(await verifyAudit(lines, { head: desk.registry.keptHead(tenant) })).toMatchObject({ ok: false, seq: 3 })
  })

  it('is at an end where it is decommissioned, or all are stopped, in the middle of its work', async () => {
    const { alice, id, over, waits } = await atWork('leaver')
    await waits('notes.add')
    expect((await ask(alice, 'POST', `/${id}/call`)).body).toMatchObject({ status: 200 })
    await ask(alice, 'DELETE', `/${id}`)
    expect((await over()).at(-1)).toMatchObject({ tool: 'notes.add', state: 'refused', error: 'agent_ended' })
    expect((await ask(alice, 'POST', `/${id}/call`)).body).toMatchObject({ status: 401, error: 'invalid_token' })
    const other = await atWork('stopped')
    await other.waits('notes.add')
    await ask(alice, 'POST', '/stop')
    expect((await other.over()).at(-1)).toMatchObject({ state: 'refused', error: 'agents_stopped' })
    // Its API key is no way around.
    await ask(alice, 'POST', `/${other.id}/run`)
    expect(await other.over()).toMatchObject([{ tool: 'notices.read', error: 'invalid_api_key' }])
    // What an administrator may have stopped, no member lets go on.
    expect((await ask(alice, 'POST', '/resume')).body.error).toBe('access_denied')
    expect((await ask(alice, 'GET', '')).body.stopped).toBe(true)
    expect((await ask(await tokenOf('bob', ['administrator']), 'POST', '/resume')).status).toBe(204)
    expect((await ask(alice, 'POST', `/${other.id}/call`)).body).toMatchObject({ status: 200 })
  })

  it('loses what it has asked its person when they sign out', async () => {
    const { alice, id, waits } = await atWork('forgotten')
    await waits('notes.add')
    await desk.signedOut({ iss: 'https://login.example.com', sub: 'alice' })
    const asked = async () => (await look(alice)).agents.find((agent) => agent.id === id)?.run?.steps[2]
    // It is void, and so is the sign-in that a next token would come from.
    const error = expect.stringMatching(/^(approval_void|delegation_refused)$/)
    await expect.poll(asked).toMatchObject({ tool: 'notes.add', state: 'refused', error })
    await ask(alice, 'DELETE', `/${id}`)
  })

  it('gets no further than its role and its budget', async () => {
    const reader = await atWork('reader', { role: 'reader' })
    const refused = (await reader.over()).filter(({ state }) => state === 'refused')
    expect(refused.map(({ tool, error }) => [tool, error])).toEqual([
      ['notes.add', 'insufficient_scope'],
      ['courier.book', 'insufficient_scope'],
      ['code.run', 'insufficient_scope'],
      ['notes.delete_all', 'insufficient_scope'],
      ['account.transfer', 'insufficient_scope'],
    ])
    const poor = await atWork('poor', { role: 'reader', budget: 100 })
    expect((await poor.over()).find(({ tool }) => tool === 'notes.read')).toMatchObject({ error: 'budget_exceeded' })
  })

  it('is in a trail that only administrators read whole; others see what they and their agents did', async () => {
    const { alice, id, over } = await atWork('seen', { role: 'reader' })
    await over()
    const nora = await tokenOf('nora')
    await ask(nora, 'POST', '', { name: 'own', role: 'reader', budget: 1 })
    for (const token of [alice, nora]) {
      const refused = await ask(token, 'GET', '/audit').then(({ status, body }) => [status, JSON.parse(body).error])
      expect(refused).toEqual([403, 'access_denied'])
    }
    const seen = (await look(nora)).trail.rows
    expect(seen.map(({ action, sub }) => [action, sub])).toEqual([['agent.register', 'nora']])
    expect(await rowsOf(alice, id)).not.toEqual([])
    const bob = await tokenOf('bob', ['administrator'])
    const all = (await ask(bob, 'GET', '/audit')).body
    for (const name of ['alice', 'nora']) expect(all).toContain(`"sub":"${name}"`)
    expect((await look(bob)).trail.rows.some(({ sub }) => sub === 'nora')).toBe(true)
  })

  it('is one of ten at most, however many are asked for at once', async () => {
    const carol = await tokenOf('carol')
    const register = () => ask(carol, 'POST', '', { name: 'many', role: 'reader', budget: 1 })
    const answers = await Promise.all(Array.from({ length: 30 }, register))
    const made = answers.filter(({ status }) => status === 201)
    expect([made.length, answers.filter(({ body }) => body.error === 'too_many_agents').length]).toEqual([10, 20])
    expect((await register()).status).toBe(409)
    await ask(carol, 'DELETE', `/${made[0]?.body.id}`)
    expect([(await register()).status, (await register()).status]).toEqual([201, 409])
    expect((await ask(await tokenOf('dave'), 'POST', '', { name: 'one', role: 'reader', budget: 1 })).status).toBe(201)
  })

  it('is nobody else’s to touch, and no agent’s or key’s', async () => {
    const { id, alice } = await atWork('private', { role: 'reader' })
    const mallory = await tokenOf('mallory')
    for (const [method, path] of [
      ['DELETE', `/${id}`],
      ['POST', `/${id}/run`],
      ['POST', `/${id}/call`],
      ['POST', `/${id}/consent`],
      ['DELETE', `/${id}/consent`],
    ] as const) {
      expect((await ask(mallory, method, path)).status).toBe(404)
      expect((await ask('', method, path)).status).toBe(401)
    }
    expect((await look(mallory)).agents).toEqual([])
    const { access_token } = await desk.registry.agents.issue(id, { tenant })
    expect((await ask(access_token, 'DELETE', `/${id}`)).body.error).toBe('credential_not_accepted')
    for (const more of [{ owner: 'bob' }, { tenant: 'elsewhere' }, { scopes: ['admin'] }, { role: 'admin' }])
      expect((await ask(alice, 'POST', '', { name: 'odd', role: 'reader', budget: 1, ...more })).status).toBe(400)
  })
})
