import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import { StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { sha256 } from '../../src/crypto/hash.js'
import { AGENTS, API, agentKey, assertion, NOON, OTHER, scene } from './identity.js'

describe('an agent’s token', () => {
  it('says who it is, in whose tenant, what it may, and is over in fifteen minutes', async () => {
    const { register, agents, who, call, advance, now } = scene()
    const { id } = await register({ budget: { day: 1000 } })
    const token = await agents.issue(id, { tenant: 'acme', budget: { day: 400 }, tools: ['notes.read'] })
    expect(token).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'data:read data:write',
    })
    expect(decodeProtectedHeader(token.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' })
    const claims = decodeJwt(token.access_token)
    expect(claims).toMatchObject({ iss: AGENTS, aud: API, sub: id, client_id: id, tenant: 'acme', role: 'writer' })
    expect(claims['authorization_details']).toEqual([
      {
        type: 'sallyport_agent',
        v: 1,
        role: 'writer',
        budget: { day: 400 },
        tools: ['notes.read'],
        depends: { agents: { [id]: expect.any(String) } },
      },
    ])
    expect(claims['act']).toBeUndefined()
    expect(await who(token.access_token)).toEqual({
      method: 'agent_token',
      sub: id,
      client_id: id,
      iss: AGENTS,
      tenant: 'acme',
      scopes: ['data:read', 'data:write'],
      expiresAt: now() + 900,
      claims,
    })
    advance(900 + 30)
    expect(await call(token.access_token)).toEqual([401, 'invalid_token'])
  })

  it('[G-03] opens no route beyond its scopes, and nothing is executed', async () => {
    const { register, agents, protect } = scene()
    const { id } = await register({ role: 'reader' })
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    const write = vi.fn(() => new Response(null, { status: 204 }))
    const route = protect.handler({ scopes: ['data:write'], tenant: 'acme' }, write)
    const answer = await route(new Request(API, { headers: { Authorization: `Bearer ${access_token}` } }))
    expect([answer.status, (await answer.json()).error]).toEqual([403, 'insufficient_scope'])
    expect(write).not.toHaveBeenCalled()
  })

  it('[G-03 twin] opens those within', async () => {
    const { register, agents, call } = scene()
    const { access_token } = await agents.issue((await register({ role: 'writer' })).id, { tenant: 'acme' })
    expect(await call(access_token, { scopes: ['data:write'], tenant: 'acme' })).toBe('ok')
    expect(await call(access_token, { scopes: ['data:write'], tenant: 'globex' })).toEqual([403, 'tenant_mismatch'])
  })

  it('[A-54] is not issued with a scope outside the role', async () => {
    const { register, agents, events } = scene()
    const { id } = await register({ role: 'reader' })
    for (const scopes of [['data:write'], ['data:read', 'data:write'], ['*'], []] as never[])
      await expect(agents.issue(id, { tenant: 'acme', scopes })).rejects.toMatchObject({
        code: 'agent_scope_refused',
      })
    expect(events.at(-1)).toEqual({
      type: 'agent_token_refused',
      tenant: 'acme',
      agent: id,
      code: 'agent_scope_refused',
    })
  })

  it('[A-54 twin] is issued with those of the role, or fewer', async () => {
    const { register, agents } = scene()
    const { id } = await register({ role: 'writer' })
    expect((await agents.issue(id, { tenant: 'acme', scopes: ['data:write'] })).scope).toBe('data:write')
    expect((await agents.issue(id, { tenant: 'acme' })).scope).toBe('data:read data:write')
  })

  it('[G-08] does not raise its own scopes, budget or life, and opens no page where people do that', async () => {
    const { register, agents, call, who, events, heard } = scene()
    const { id } = await register({ role: 'reader', budget: { request: 10, day: 100 } })
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    const subject = await who(access_token)
    const asked = { tenant: 'acme' }
    await expect(agents.issue(id, { ...asked, expiresIn: 901 })).rejects.toMatchObject({ code: 'agent_limit_refused' })
    await expect(agents.issue(id, { ...asked, budget: { day: 101 } })).rejects.toMatchObject({
      code: 'agent_limit_refused',
    })
    await expect(agents.exchange(id, { subject, scopes: ['data:write'] })).rejects.toMatchObject({
      code: 'agent_scope_refused',
    })
    await expect(agents.consent(id, { subject, scopes: ['data:read'] })).rejects.toMatchObject({
      code: 'delegation_refused',
    })
    expect(events.filter(({ type }) => type === 'agent_token_refused')).toHaveLength(3)
    expect(await call(access_token, { methods: ['access_token', 'session_cookie'] })).toEqual([
      403,
      'credential_not_accepted',
    ])
    expect(heard.at(-1)).toMatchObject({ type: 'refused', status: 403, method: 'agent_token' })
  })

  it('[G-08 twin] may ask for less of all of them', async () => {
    const { register, agents, call } = scene()
    const { id } = await register({ budget: { request: 10, day: 100 } })
    const less = { scopes: ['data:read'], budget: { day: 100 }, expiresIn: 60 } as const
    const { access_token, expires_in } = await agents.issue(id, { tenant: 'acme', ...less })
    expect([expires_in, await call(access_token, { scopes: ['data:read'] })]).toEqual([60, 'ok'])
  })

  it.each([
    ['tools', { tools: 'data.read' }],
    ['tiers.0', { tiers: [1] }],
    ['categories', { categories: {} }],
    ['budget', { budget: 1000 }],
    ['expiresIn', { expiresIn: 1.5 }],
  ])('is not issued with an option that cannot be, which is named: %s', async (field, wrong) => {
    const { register, agents } = scene()
    const { id } = await register()
    await expect(agents.issue(id, { tenant: 'acme', ...(wrong as object) })).rejects.toThrow(`"${field}"`)
  })

  it('[G-11] for one API is nothing to another', async () => {
    const { register, agents, call, other } = scene()
    const { id } = await register()
    const here = await agents.issue(id, { tenant: 'acme' })
    expect((await agents.issue(id, { tenant: 'acme', resource: API })).access_token).toBeTruthy()
    const there = await agents.issue(id, { tenant: 'acme', resource: OTHER })
    // As it would be if the first API passed on what it was sent.
    expect(await call(here.access_token, {}, {}, other, OTHER)).toEqual([401, 'invalid_token'])
    expect(await call(there.access_token)).toEqual([401, 'invalid_token'])
    await expect(agents.issue(id, { tenant: 'acme', resource: 'https://evil.example' })).rejects.toMatchObject({
      code: 'agent_target_refused',
    })
  })

  it('[G-11 twin] opens the API that it is for', async () => {
    const { register, agents, call, other } = scene()
    const { id } = await register()
    const there = await agents.issue(id, { tenant: 'acme', resource: OTHER })
    expect(await call(there.access_token, {}, {}, other, OTHER)).toBe('ok')
  })

  it('[G-13] takes who acts for whom from nothing but the token', async () => {
    const { register, agents, who, now } = scene()
    const key = await agentKey()
    const { id } = await register({ key })
    const forged = { act: { sub: 'agent_boss' }, tenant: 'globex', role: 'executor', scope: 'exec:sandbox' }
    const { tenant } = await agents.authenticate(await assertion(key, id, now(), forged))
    await expect(agents.issue(id, { ...forged, tenant })).rejects.toThrow('"act" is not known here')
    const { access_token } = await agents.issue(id, { tenant })
    const headers = { 'X-Actor': 'agent_boss', 'X-On-Behalf-Of': 'alice', Act: '{"sub":"agent_boss"}' }
    const principal = await who(access_token, headers)
    expect(principal).toMatchObject({ sub: id, client_id: id, tenant: 'acme', scopes: ['data:read', 'data:write'] })
    expect(principal.claims['act']).toBeUndefined()
    expect(principal.claims['role']).toBe('writer')
  })

  it('[G-13] that somebody else has signed is nothing, whatever chain it names', async () => {
    const { register, agents, call, now } = scene()
    const key = await agentKey()
    const { id } = await register({ key })
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    const forged = await new SignJWT({
      ...decodeJwt(access_token),
      act: { sub: 'agent_boss' },
      sub: 'alice',
      iat: now(),
    })
      .setProtectedHeader(decodeProtectedHeader(access_token) as { alg: string })
      .sign(key.pair.privateKey)
    expect(await call(forged)).toEqual([401, 'invalid_token'])
  })

  it('[G-13 twin] that was exchanged shows the person and the agent', async () => {
    const { register, agents, who, person, events } = scene()
    const { id } = await register()
    const { principal: subject } = await person()
    await agents.consent(id, { subject, scopes: ['data:read'] })
    const { access_token } = await agents.exchange(id, { subject })
    expect(await who(access_token)).toMatchObject({ sub: 'alice', client_id: id, claims: { act: { sub: id } } })
    expect(events.at(-1)).toMatchObject({ type: 'agent_token_issued', agent: id, sub: 'alice', chain: [id] })
  })

  it('[G-15] is refused where only people are let in, also when it acts for one', async () => {
    const { register, agents, call, person } = scene()
    const { id } = await register()
    const { principal: subject } = await person()
    await agents.consent(id, { subject, scopes: ['data:write'] })
    const requirements = { methods: ['session_cookie', 'access_token'] } as const
    const own = await agents.issue(id, { tenant: 'acme' })
    const delegated = await agents.exchange(id, { subject })
    for (const { access_token } of [own, delegated])
      expect(await call(access_token, requirements)).toEqual([403, 'credential_not_accepted'])
  })

  it('[G-15 twin] and people are let in there', async () => {
    const { call, person } = scene()
    const { token } = await person()
    expect(await call(token, { methods: ['session_cookie', 'access_token'] })).toBe('ok')
  })

  it('is told apart by its issuer: of nobody else is it taken, and it takes nobody else’s', async () => {
    const { people, tokens, call } = scene()
    const details = [{ type: 'sallyport_agent', role: 'writer', depends: { agents: { agent_x: 'x' } } }]
    const claims = { tenant: 'acme', authorization_details: details }
    const input = { sub: 'agent_x', client_id: 'agent_x', scopes: ['data:read'], claims }
    // Of the people's issuer: no agent's, whatever it says.
    const foreign = (await people.issue(input)).access_token
    expect(await call(foreign, { methods: ['agent_token'] })).toEqual([403, 'credential_not_accepted'])
    // Of the agents' issuer: nothing without an agent that stands.
    expect(await call((await tokens.issue(input)).access_token)).toEqual([401, 'invalid_token'])
    const plain = await tokens.issue({ ...input, claims: { tenant: 'acme' } })
    expect(await call(plain.access_token)).toEqual([401, 'invalid_token'])
  })

  it('bound to the agent’s key is taken with its proof and not without', async () => {
    const { register, agents, call, who, proof } = scene()
    const key = await agentKey()
    const { id } = await register({ key })
    const token = await agents.issue(id, { tenant: 'acme', bindTo: 'key' })
    const { access_token } = token
    expect(token.token_type).toBe('DPoP')
    expect(await call(access_token)).toEqual([401, 'invalid_token'])
    const withProof = async (by: typeof key) => ({
      Authorization: `DPoP ${access_token}`,
      DPoP: await proof(by, { ath: await sha256(access_token) }),
    })
    expect(await call(access_token, {}, await withProof(await agentKey()))).toEqual([401, 'invalid_dpop_proof'])
    expect(await who(access_token, await withProof(key))).toMatchObject({ method: 'agent_token', bound: 'dpop' })
    await agents.decommission(id, { tenant: 'acme', reason: 'done' })
    expect(await call(access_token, {}, await withProof(key))).toEqual([401, 'invalid_token'])
  })

  it('is refused alike, whatever is wrong with it', async () => {
    const { register, agents, ask, advance } = scene()
    const [ended, late] = [await register(), await register()]
    const first = await agents.issue(late.id, { tenant: 'acme', expiresIn: 60 })
    advance(120)
    const second = await agents.issue(ended.id, { tenant: 'acme' })
    await agents.decommission(ended.id, { tenant: 'acme', reason: 'done' })
    const answers = await Promise.all(
      [first, second].map(async ({ access_token }) => {
        const outcome = await ask(access_token)
        if (outcome.ok) throw new Error('accepted')
        const { status, headers } = outcome.response
        return [status, headers.get('www-authenticate'), await outcome.response.text()].join(' ')
      }),
    )
    expect(new Set(answers).size).toBe(1)
  })

  it('is 503 while the store cannot be asked, and asks for all that it depends on at once', async () => {
    const { register, agents, call, store } = scene()
    const parent = await register()
    const { id } = await register({ parent: parent.id })
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    let waiting = 0
    let most = 0
    const real = store.get
    const get = vi.spyOn(store, 'get').mockImplementation(async (wanted) => {
      most = Math.max(most, ++waiting)
      await new Promise((resolve) => setTimeout(resolve, 5))
      waiting--
      return real(wanted)
    })
    expect(await call(access_token)).toBe('ok')
    // The tenant's switch, the agent, and the one above it.
    expect([get.mock.calls.length, most]).toEqual([3, 3])
    get.mockRejectedValue(new StoreError())
    expect(await call(access_token)).toEqual([503, 'keys_unavailable'])
  })
})

describe('an assertion', () => {
  const bends: Array<[string, Record<string, unknown>, Record<string, unknown>?]> = [
    ['another audience', { aud: API }],
    ['several audiences', { aud: [AGENTS, API] }],
    ['another subject', { sub: 'agent_other' }],
    ['a longer life', { exp: NOON + 61 }],
    ['an old date', { iat: NOON - 120, exp: NOON - 60 }],
    ['a date to come', { iat: NOON + 120, exp: NOON + 180 }],
    ['no jti', { jti: undefined }],
    ['no date', { iat: undefined }],
    ['another kind of token', {}, { typ: 'agent-request+jwt' }],
  ]
  it.each(bends)('with %s proves nothing', async (_, claims, header) => {
    const { register, agents, now, events } = scene()
    const key = await agentKey()
    const { id } = await register({ key })
    await expect(agents.authenticate(await assertion(key, id, now(), claims, header))).rejects.toMatchObject({
      code: 'agent_proof_refused',
    })
    expect(events.at(-1)).toMatchObject({ type: 'agent_proof_refused', agent: id, detail: expect.any(String) })
  })

  it('proves who the agent is, once, in all processes', async () => {
    const { register, agents, open, now } = scene()
    for (const alg of ['ES256', 'EdDSA'] as const) {
      const key = await agentKey(alg)
      const agent = await register({ key })
      const proof = await assertion(key, agent.id, now())
      expect(await agents.authenticate(proof)).toEqual(agent)
      await expect(open().authenticate(proof)).rejects.toMatchObject({ code: 'agent_proof_refused' })
      await expect(agents.authenticate(await assertion(await agentKey(alg), agent.id, now()))).rejects.toMatchObject({
        code: 'agent_proof_refused',
      })
    }
    for (const junk of ['', 'a.b.c', 'x'.repeat(10_000), await assertion(await agentKey(), 'agent_nobody', now())])
      await expect(agents.authenticate(junk)).rejects.toMatchObject({ code: 'agent_proof_refused' })
  })
})
