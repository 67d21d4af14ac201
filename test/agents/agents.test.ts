import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { agentToken, createAgents, createStatusCheck } from 'sallyport/agents'
import { accessToken } from 'sallyport/guard'
import { memoryStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { AGENTS, agentKey, LOGIN, scene } from './identity.js'

describe('registering an agent', () => {
  it.each(['ES256', 'EdDSA'] as const)('keeps its public key, with %s as the only algorithm', async (alg) => {
    const { register, agents, events, now } = scene()
    const key = await agentKey(alg)
    const agent = await register({ key, budget: { day: 1000 } })
    expect(agent).toEqual({
      id: expect.stringMatching(/^agent_[\w-]{36}$/),
      tenant: 'acme',
      owner: 'ops',
      role: 'writer',
      publicKey: { ...key.publicKey, alg, kid: expect.any(String) },
      budget: { day: 1000 },
      createdAt: now(),
    })
    expect(await agents.get(agent.id, { tenant: 'acme' })).toEqual(agent)
    expect((await agents.list({ tenant: 'acme' })).items).toEqual([agent])
    expect(events).toEqual([
      { type: 'agent_registered', tenant: 'acme', agent: agent.id, owner: 'ops', role: 'writer' },
    ])
  })

  it('refuses keys that are not public, or not of the two kinds, and never repeats them', async () => {
    const { register } = scene()
    const good = await agentKey()
    const { privateKey } = await generateKeyPair('RS256', { extractable: true })
    const { d = '', ...rsa } = await exportJWK(privateKey)
    const odd: JWK[] = [
      JSON.parse(good.key),
      { ...rsa, kty: 'RSA' },
      { kty: 'oct', k: d },
      { ...good.publicKey, alg: 'ES384' },
      { ...good.publicKey, use: 'enc' },
      { ...good.publicKey, crv: 'P-384' },
      { ...good.publicKey, x: 'AAAA' },
      {},
    ]
    for (const publicKey of odd) {
      const error = await register({ publicKey }).catch((error) => error)
      expect(error, JSON.stringify(Object.keys(publicKey))).toMatchObject({ code: 'agent_key_refused' })
      expect(JSON.stringify(error) + error.message).not.toContain(JSON.parse(good.key).d)
    }
    expect(await register({ publicKey: { ...good.publicKey, use: 'sig', alg: 'ES256' } })).toBeTruthy()
  })

  it.each([
    ['id', { id: 'alice' }],
    ['tenant', { tenant: '' }],
    ['owner', { owner: 'x'.repeat(256) }],
    ['role', { role: 'admin' }],
    ['role', { role: '__proto__' }],
    ['budget.day', { budget: { day: -1 } }],
    ['budget.day', { budget: { day: Number.NaN } }],
    ['budget.day', { budget: { day: '5' } }],
    ['budget.week', { budget: { week: 1 } }],
    ['budgets', { budgets: { day: 1 } }],
    ['budget', { budget: 1000 }],
  ])('names the field that cannot be: %s', async (field, wrong) => {
    await expect(scene().register(wrong as never)).rejects.toThrow(`"${field}"`)
  })

  it('of one id twenty times at once leaves one', async () => {
    const { open } = scene()
    const { publicKey } = await agentKey()
    const input = { id: 'agent_one', tenant: 'acme', owner: 'ops', role: 'reader', publicKey } as const
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => open().register(input)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'agent_exists' })
  })

  it('tells another tenant nothing', async () => {
    const { register, agents } = scene()
    const { id } = await register()
    expect(await agents.get(id, { tenant: 'globex' })).toBeUndefined()
    expect((await agents.list({ tenant: 'globex' })).items).toEqual([])
    for (const act of [
      agents.issue(id, { tenant: 'globex' }),
      agents.update(id, { tenant: 'globex', budget: { day: 1 } }),
      agents.decommission(id, { tenant: 'globex', reason: 'x' }),
    ])
      await expect(act).rejects.toMatchObject({ code: 'agent_not_found' })
  })
})

describe('an agent under another', () => {
  it('is no more than that one, and inherits its budget', async () => {
    const { register } = scene()
    const parent = await register({ role: 'writer', budget: { day: 100, request: 10 } })
    const child = await register({ role: 'reader', parent: parent.id, budget: { day: 50 } })
    expect(child).toMatchObject({ parent: parent.id, budget: { day: 50, request: 10 } })
    await expect(register({ role: 'executor', parent: parent.id })).rejects.toMatchObject({
      code: 'agent_scope_refused',
    })
    await expect(register({ parent: parent.id, budget: { day: 101 } })).rejects.toMatchObject({
      code: 'agent_limit_refused',
    })
    await expect(register({ parent: parent.id, tenant: 'globex' })).rejects.toMatchObject({ code: 'agent_not_found' })
  })

  it('stands in a line of three at most', async () => {
    const { register } = scene()
    let parent = (await register()).id
    for (let depth = 1; depth <= 3; depth++) parent = (await register({ parent })).id
    await expect(register({ parent })).rejects.toMatchObject({ code: 'chain_too_deep' })
  })
})

describe('changing an agent', () => {
  it('gives it another key, and ends what the old one has got', async () => {
    const { register, agents, call } = scene()
    const agent = await register()
    const before = await agents.issue(agent.id, { tenant: 'acme' })
    const { publicKey } = await agentKey('EdDSA')
    const changed = await agents.update(agent.id, { tenant: 'acme', publicKey })
    expect(changed.publicKey).toMatchObject({ ...publicKey, alg: 'EdDSA' })
    expect(await call(before.access_token)).toEqual([401, 'invalid_token'])
    expect(await call((await agents.issue(agent.id, { tenant: 'acme' })).access_token)).toBe('ok')
  })

  it('gives it another budget, never above its parent’s, and never an ended one', async () => {
    const { register, agents, who } = scene()
    const parent = await register({ budget: { day: 100 } })
    const child = await register({ parent: parent.id })
    const { access_token } = await agents.issue(child.id, { tenant: 'acme', budget: { day: 90 } })
    expect((await agents.update(child.id, { tenant: 'acme', budget: { day: 20 } })).budget).toEqual({ day: 20 })
    // The token says more than it may now: who verifies has both.
    expect(await agents.status(await who(access_token))).toMatchObject({ ok: true, agent: { budget: { day: 20 } } })
    await expect(agents.update(child.id, { tenant: 'acme', budget: { day: 101 } })).rejects.toMatchObject({
      code: 'agent_limit_refused',
    })
    await agents.decommission(child.id, { tenant: 'acme', reason: 'done' })
    await expect(agents.update(child.id, { tenant: 'acme', budget: { day: 1 } })).rejects.toMatchObject({
      code: 'agent_ended',
    })
  })
})

describe('createAgents()', () => {
  const { tokens, store, agents, people } = scene()
  it.each([
    ['tokens', { tokens: undefined }],
    ['store', { store: undefined }],
    ['roles', { roles: {} }],
    ['roles', { roles: { reader: ['data:*'] } }],
    ['maxAge', { maxAge: 901 }],
    ['maxDepth', { maxDepth: 0 }],
    ['resources', { resources: ['api'] }],
  ])('names the option that cannot be used: %s', (option, wrong) => {
    expect(() => createAgents({ tokens, store, ...wrong } as never)).toThrow(`"${option}"`)
  })

  it('has three roles where none are named', async () => {
    const plain = createAgents({ tokens, store: memoryStore() })
    const { publicKey } = await agentKey()
    const agent = await plain.register({ tenant: 'acme', owner: 'ops', role: 'executor', publicKey })
    expect((await plain.issue(agent.id, { tenant: 'acme' })).scope).toBe('data:read exec:sandbox')
  })

  it('is verified for its own issuer alone, here or where no tokens are issued', () => {
    const own = { issuer: AGENTS, algs: tokens.algs, keys: tokens.keys }
    const foreign = { issuer: LOGIN, algs: people.algs, keys: people.keys }
    expect(() => agentToken(agents, accessToken(foreign))).toThrow('"verifier"')
    expect(() => agentToken(agents, accessToken(own, foreign))).toThrow('"verifier"')
    expect(agentToken(createStatusCheck({ issuer: AGENTS, store }), accessToken(own)).method).toBe('agent_token')
    expect(() => createStatusCheck({ issuer: AGENTS } as never)).toThrow('"store"')
    expect(() => createStatusCheck({ issuer: 'x', store })).toThrow('"issuer"')
  })
})
