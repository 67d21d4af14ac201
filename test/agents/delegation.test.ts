import { decodeJwt } from 'jose'
import type { Principal } from 'sallyport/guard'
import { describe, expect, it } from 'vitest'
import { AGENTS, DAY, LOGIN, type Scene, scene } from './identity.js'

/** Agents that Alice has consented to. */
async function helped(world: Scene, role: 'reader' | 'writer' | 'executor' = 'writer', claims: object = {}) {
  const { id } = await world.register({ role })
  const { principal: subject } = await world.person(claims)
  await world.agents.consent(id, { subject, scopes: ['data:read'] })
  return { id, subject }
}

describe('acting for a person', () => {
  it('[G-09][A-54] gives an agent no more than the person, its role, the consent and the request have in common', async () => {
    const { agents, register, person, call } = scene()
    const [writer, reader] = [await register({ role: 'writer' }), await register({ role: 'reader' })]
    const scopesOf = async (agent: string, held: string[], asked?: Array<'data:read' | 'data:write'>) => {
      const { principal: subject } = await person({ scopes: held })
      return (await agents.exchange(agent, { subject, ...(asked && { scopes: asked }) })).scope
    }
    const { principal } = await person({ scopes: ['data:read'] })
    await agents.consent(writer.id, { subject: principal, scopes: ['data:read', 'data:write'] })
    await agents.consent(reader.id, { subject: principal, scopes: ['data:read'] })
    const all = ['data:read', 'data:write', 'admin']
    // The person has less, the role has less, the request is less.
    expect(await scopesOf(writer.id, ['data:read'])).toBe('data:read')
    expect(await scopesOf(reader.id, all, ['data:read', 'data:write'])).toBe('data:read')
    expect(await scopesOf(writer.id, all, ['data:write'])).toBe('data:write')
    // And where nothing is left it is refused.
    await expect(scopesOf(writer.id, ['data:read'], ['data:write'])).rejects.toMatchObject({
      code: 'agent_scope_refused',
    })
    await expect(scopesOf(writer.id, ['admin'])).rejects.toMatchObject({ code: 'agent_scope_refused' })
    const token = await agents.exchange(writer.id, { subject: principal, scopes: ['data:read', 'data:write'] })
    expect(await call(token.access_token, { scopes: ['data:write'] })).toEqual([403, 'insufficient_scope'])
  })

  it('[G-09 twin][A-54 twin] gives it all of that', async () => {
    const { agents, register, person, call, who } = scene()
    const { id } = await register()
    const { principal: subject } = await person()
    await agents.consent(id, { subject, scopes: ['data:read', 'data:write'] })
    const { access_token } = await agents.exchange(id, { subject })
    expect(await call(access_token, { scopes: ['data:write'], tenant: 'acme' })).toBe('ok')
    expect(await who(access_token)).toMatchObject({ sub: 'alice', client_id: id, claims: { act: { sub: id } } })
  })

  it('needs the person’s consent, for these scopes, now', async () => {
    const { agents, register, person, advance } = scene()
    const { id } = await register()
    const { principal: subject } = await person()
    const missing = { code: 'consent_missing' }
    await expect(agents.exchange(id, { subject })).rejects.toMatchObject(missing)
    await agents.consent(id, { subject: (await person({ sub: 'bob' })).principal, scopes: ['data:read'] })
    await expect(agents.exchange(id, { subject })).rejects.toMatchObject(missing)
    const consent = await agents.consent(id, { subject, scopes: ['data:read'], expiresIn: 60 })
    expect(await agents.consents({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })).toEqual({ items: [consent] })
    expect((await agents.exchange(id, { subject })).scope).toBe('data:read')
    advance(60)
    await expect(agents.exchange(id, { subject })).rejects.toMatchObject(missing)
    expect(await agents.consents({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })).toEqual({ items: [] })
    await expect(agents.consent(id, { subject, scopes: ['exec:sandbox' as never] })).rejects.toMatchObject({
      code: 'agent_scope_refused',
    })
    await expect(agents.consent(id, { subject, scopes: ['data:read'], expiresIn: 91 * 86_400 })).rejects.toThrow(
      '"expiresIn"',
    )
  })

  it('ends when the consent is taken back, given anew, or over', async () => {
    const world = scene()
    const { agents, call, advance } = world
    const { id, subject } = await helped(world)
    const issue = async () => (await agents.exchange(id, { subject })).access_token
    const first = await issue()
    await agents.withdraw(id, { tenant: 'acme', iss: LOGIN, sub: 'alice' })
    expect(await call(first)).toEqual([401, 'invalid_token'])
    await agents.consent(id, { subject, scopes: ['data:read'] })
    expect(await call(first)).toEqual([401, 'invalid_token'])
    const second = await issue()
    expect(await call(second)).toBe('ok')
    await agents.consent(id, { subject, scopes: ['data:read'], expiresIn: 60 })
    expect(await call(second)).toEqual([401, 'invalid_token'])
    const third = await issue()
    expect(await call(third)).toBe('ok')
    advance(60)
    expect(await call(third)).toEqual([401, 'invalid_token'])
  })

  it('lasts no longer than the person’s own token, and is not had from one that is over', async () => {
    const world = scene()
    const { agents, advance, now, who } = world
    const { id, subject } = await helped(world)
    advance(600)
    const { expires_in, access_token } = await agents.exchange(id, { subject })
    expect(expires_in).toBe(300)
    expect((await who(access_token)).expiresAt).toBe(subject.expiresAt)
    expect(now()).toBeLessThan(subject.expiresAt ?? 0)
    advance(300)
    await expect(agents.exchange(id, { subject })).rejects.toMatchObject({ code: 'delegation_refused' })
  })

  it.each([
    ['an API key', { method: 'api_key' }],
    ['a certificate', { method: 'client_certificate' }],
    ['a program on its own behalf', { client_id: 'alice' }],
    ['a principal of another tenant', { tenant: 'globex' }],
    ['a principal that already acts for somebody', { claims: { act: { sub: 'x' } } }],
    ['a principal without an end', { expiresAt: undefined }],
    ['a forged agent', { method: 'agent_token', claims: { authorization_details: [{ type: 'sallyport_agent' }] } }],
  ])('is not had from %s', async (_, odd) => {
    const world = scene()
    const { id, subject } = await helped(world)
    const request = { subject: { ...subject, ...odd } as Principal }
    await expect(world.agents.exchange(id, request)).rejects.toMatchObject({
      code: expect.stringMatching(/^(delegation_refused|agent_not_found)$/),
    })
  })

  it('[G-10] ends with the person’s sign-out or disablement, down the whole chain, in every process', async () => {
    const world = scene()
    const { agents, open, call, who, register, events, waiting, statuses } = world
    const { id, subject } = await helped(world)
    const asked = [await waiting({ agent: id }), await waiting({ agent: id, sub: 'bob' })]
    const below = await register({ role: 'reader' })
    const first = (await agents.exchange(id, { subject })).access_token
    const second = (await agents.exchange(below.id, { subject: await who(first) })).access_token
    await open().endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })
    for (const token of [first, second]) expect(await call(token)).toEqual([401, 'invalid_token'])
    expect(events.at(-1)).toEqual({ type: 'delegations_ended', tenant: 'acme', iss: LOGIN, sub: 'alice' })
    expect(await statuses(asked)).toEqual(['void', 'pending'])
  })

  it('[G-10] ends with the one session that it came from', async () => {
    const world = scene()
    const { agents, call } = world
    const { id, subject } = await helped(world)
    const of = async (session: string) => (await agents.exchange(id, { subject, session })).access_token
    const [phone, laptop] = [await of('phone'), await of('laptop')]
    await agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme', sid: 'phone' })
    expect([await call(phone), await call(laptop)]).toEqual([[401, 'invalid_token'], 'ok'])
    await expect(of('phone')).rejects.toMatchObject({ code: 'delegation_refused' })
    expect(JSON.stringify(decodeJwt(laptop))).not.toContain('laptop')
  })

  it('[G-10 twin] goes on for others, for the agent itself, and for who has signed in again', async () => {
    const world = scene()
    const { agents, call, person } = world
    const { id, subject } = await helped(world)
    const bob = (await person({ sub: 'bob' })).principal
    await agents.consent(id, { subject: bob, scopes: ['data:read'] })
    const [others, own] = [await agents.exchange(id, { subject: bob }), await agents.issue(id, { tenant: 'acme' })]
    await agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })
    for (const { access_token } of [others, own]) expect(await call(access_token)).toBe('ok')
    await expect(agents.exchange(id, { subject })).rejects.toMatchObject({ code: 'delegation_refused' })
    world.advance(1)
    const again = await agents.exchange(id, { subject: (await person()).principal })
    expect(await call(again.access_token)).toBe('ok')
  })

  it.each(['auth_time', 'iat'])(
    '[G-21][G-21 twin] is had by no sign-in from before that end, by %s, whoever asks and when',
    async (claim) => {
      const world = scene({ agents: { isPerson: () => true } })
      const { agents, open, call, person, advance } = world
      const { id, subject: first } = await helped(world)
      const { auth_time, iat, ...claims } = first.claims
      const since = { auth_time, iat }[claim]
      const subject = { ...first, claims: { ...claims, [claim]: since }, expiresAt: (first.expiresAt ?? 0) + 100 * DAY }
      await agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })
      const renewed = {
        ...subject,
        claims: { ...subject.claims, ...(claim === 'auth_time' && { iat: Number(iat) + DAY }) },
      }
      const unknown = { ...subject, claims }
      for (const days of [0, 0, 2, 80]) {
        advance(days * DAY)
        // A clock that is set back brings none back.
        for (const back of [0, -DAY]) {
          advance(back)
          for (const one of [subject, renewed, unknown]) {
            await expect(open().exchange(id, { subject: one })).rejects.toMatchObject({ code: 'delegation_refused' })
            await expect(open().consent(id, { subject: one, scopes: ['data:read'] })).rejects.toMatchObject({
              code: 'delegation_refused',
            })
          }
          advance(-back)
        }
      }
      // Nor does an end that is written by a clock that was set back.
      advance(-200 * DAY)
      await agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })
      advance(200 * DAY)
      await expect(open().exchange(id, { subject })).rejects.toMatchObject({ code: 'delegation_refused' })
      // Twin: who signs in after it, and consents anew where that is over.
      const { principal } = await person()
      await agents.consent(id, { subject: principal, scopes: ['data:read'] })
      expect(await call((await agents.exchange(id, { subject: principal })).access_token)).toBe('ok')
    },
  )

  it('[G-21] of another session of the same person goes on, where one session was ended', async () => {
    const world = scene()
    const { agents, advance } = world
    const { id, subject } = await helped(world)
    const lasting = { ...subject, expiresAt: (subject.expiresAt ?? 0) + 100 * DAY }
    await agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme', sid: 'phone' })
    advance(2 * DAY)
    await expect(agents.exchange(id, { subject: lasting, session: 'phone' })).rejects.toMatchObject({
      code: 'delegation_refused',
    })
    expect(await agents.exchange(id, { subject: lasting, session: 'laptop' })).toBeTruthy()
  })

  it('[G-10] ends also where the token was being signed at that moment', async () => {
    const world = scene()
    const { agents, open, call, tokens } = world
    const { id, subject } = await helped(world)
    const issue = tokens.issue
    tokens.issue = async (input) => {
      await open().endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })
      world.advance(5)
      return issue(input)
    }
    const { access_token } = await agents.exchange(id, { subject })
    expect(await call(access_token)).toEqual([401, 'invalid_token'])
  })
})

describe('an agent for which another one works', () => {
  it('[A-51] is seen in the chain, and only the one that calls decides what is allowed', async () => {
    const world = scene()
    const { agents, register, who, call } = world
    const { id: executor, subject } = await helped(world, 'executor')
    const { id: writer } = await register({ role: 'writer' })
    const { id: reader } = await register({ role: 'reader' })
    const first = await who((await agents.exchange(writer, { subject: await own(world, writer) })).access_token)
    // The inner actor has data:write; the one that calls has not.
    const { access_token } = await agents.exchange(reader, { subject: first })
    const principal = await who(access_token)
    expect(principal).toMatchObject({ sub: writer, client_id: reader, scopes: ['data:read'] })
    expect(principal.claims['act']).toEqual({ sub: reader, act: { sub: writer } })
    expect(await call(access_token, { scopes: ['data:write'] })).toEqual([403, 'insufficient_scope'])
    // For a person likewise.
    const delegated = await who((await agents.exchange(executor, { subject })).access_token)
    const nested = await who((await agents.exchange(reader, { subject: delegated })).access_token)
    expect(nested).toMatchObject({ sub: 'alice', client_id: reader })
    expect(nested.claims['act']).toEqual({ sub: reader, act: { sub: executor } })
  })

  it('[A-51 twin] may itself what its own token says', async () => {
    const world = scene()
    const { agents, register, call } = world
    const { id: writer } = await register({ role: 'writer' })
    const { access_token } = await agents.exchange(writer, { subject: await own(world, writer) })
    expect(await call(access_token, { scopes: ['data:write'] })).toBe('ok')
  })

  it('[G-12] gets no wider scopes, limits or life than there are, and the chain ends at three', async () => {
    const world = scene()
    const { agents, register, who, advance } = world
    const { id: reader } = await register({ role: 'reader' })
    const ids = await Promise.all([1, 2, 3].map(async () => (await register({ role: 'writer' })).id))
    const [one = '', two = '', three = ''] = ids
    const limits = { budget: { day: 10 }, tools: ['a', 'b'] }
    let subject = await who((await agents.issue(reader, { tenant: 'acme', ...limits })).access_token)
    await expect(agents.exchange(one, { subject, scopes: ['data:write'] })).rejects.toMatchObject({
      code: 'agent_scope_refused',
    })
    advance(300)
    for (const agent of [one, two, three])
      subject = await who(
        (await agents.exchange(agent, { subject, budget: { day: 99, request: 5 }, tools: ['b', 'c'] })).access_token,
      )
    expect(subject.scopes).toEqual(['data:read'])
    expect(subject.claims['authorization_details']).toMatchObject([{ budget: { day: 10, request: 5 }, tools: ['b'] }])
    expect((subject.expiresAt ?? 0) - world.now()).toBe(600)
    expect(subject.claims['act']).toEqual({ sub: three, act: { sub: two, act: { sub: one } } })
    await expect(agents.exchange(one, { subject })).rejects.toMatchObject({ code: 'chain_too_deep' })
  })

  it('[G-12 twin] gets what both have', async () => {
    const world = scene()
    const { agents, register, call } = world
    const [one, two] = [await register(), await register()]
    const { access_token } = await agents.exchange(two.id, { subject: await own(world, one.id) })
    expect(await call(access_token, { scopes: ['data:write'] })).toBe('ok')
  })

  it('gets nothing across tenants, or from one that does not stand any more', async () => {
    const world = scene()
    const { agents, register } = world
    const [one, two, foreign] = [await register(), await register(), await register({ tenant: 'globex' })]
    const subject = await own(world, one.id)
    await expect(agents.exchange(foreign.id, { subject })).rejects.toMatchObject({ code: 'agent_not_found' })
    await agents.decommission(one.id, { tenant: 'acme', reason: 'done' })
    await expect(agents.exchange(two.id, { subject })).rejects.toMatchObject({ code: 'delegation_refused' })
  })
})

const own = async ({ agents, who }: Scene, agent: string) =>
  who((await agents.issue(agent, { tenant: 'acme' })).access_token)

describe('the same subject at another issuer', () => {
  const ELSEWHERE = 'https://login.example.org'

  /** Two people, called alice both, and an agent that the first one lets act for her. */
  async function namesakes() {
    const it = scene()
    const { id } = await it.register()
    const { principal: alice } = await it.person()
    const other = { ...alice, iss: ELSEWHERE }
    const consent = await it.agents.consent(id, { subject: alice, scopes: ['data:read'] })
    return { ...it, id, alice, other, consent }
  }

  it('[G-18] has given no consent, sees none and takes none back', async () => {
    const { agents, id, other, alice, call } = await namesakes()
    await expect(agents.exchange(id, { subject: other })).rejects.toMatchObject({ code: 'consent_missing' })
    const [person, of] = [{ iss: ELSEWHERE, sub: 'alice' }, { tenant: 'acme' }]
    expect(await agents.consents(person, of)).toEqual({ items: [] })
    const { access_token } = await agents.exchange(id, { subject: alice })
    await agents.withdraw(id, { ...person, ...of })
    await agents.endDelegations(person, of)
    await agents.endDelegations(person, { ...of, sid: 'phone' })
    expect(await call(access_token)).toBe('ok')
    const since = { ...other, claims: { ...other.claims, auth_time: Number(other.claims['auth_time']) + 1 } }
    await agents.consent(id, { subject: since, scopes: ['data:write'] })
    expect(await call(access_token)).toBe('ok')
  })

  it('[G-18 twin] is the other person: each consent, and each end, is theirs', async () => {
    const { agents, id, alice, other, consent, call, who } = await namesakes()
    const own = await agents.consent(id, { subject: other, scopes: ['data:write'] })
    expect(await agents.consents({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })).toEqual({ items: [consent] })
    expect(await agents.consents({ iss: ELSEWHERE, sub: 'alice' }, { tenant: 'acme' })).toEqual({ items: [own] })
    const [hers, theirs] = await Promise.all(
      [alice, other].map(async (subject) => (await agents.exchange(id, { subject })).access_token),
    )
    // Who it is, an API can see: the token's own issuer is the agents'.
    expect((await who(`${theirs}`)).claims['sub_id']).toEqual({ format: 'iss_sub', iss: ELSEWHERE, sub: 'alice' })
    await agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant: 'acme' })
    expect(await call(`${hers}`)).toEqual([401, 'invalid_token'])
    expect(await call(`${theirs}`)).toBe('ok')
    // Handed on, it is still theirs.
    const { id: helper } = (await agents.list({ tenant: 'acme' })).items[0] ?? { id }
    const handed = await agents.exchange(helper, { subject: await who(`${theirs}`) })
    expect((await who(handed.access_token)).claims['sub_id']).toMatchObject({ iss: ELSEWHERE })
  })

  it('[G-18][G-18 twin] decides nothing that was asked of the other one', async () => {
    const { approvals, id, alice, other, waiting } = await namesakes()
    const asked = await waiting({ agent: id })
    await expect(approvals.decide(asked, { by: other, approve: true })).rejects.toMatchObject({
      code: 'approver_refused',
    })
    expect((await approvals.pending({ tenant: 'acme', iss: ELSEWHERE, sub: 'alice' })).items).toEqual([])
    expect(await approvals.voidAll({ tenant: 'acme', iss: ELSEWHERE, sub: 'alice' })).toBe(0)
    await expect(approvals.pending({ tenant: 'acme', sub: 'alice' })).rejects.toThrow('"iss" and "sub"')
    const call = { tenant: 'acme', agent: id, sub: 'alice', tool: 'x', args: {} }
    await expect(approvals.request({ ...call, kind: 'user' })).rejects.toMatchObject({ code: 'call_invalid' })
    expect(await approvals.decide(asked, { by: alice, approve: true })).toMatchObject({
      status: 'approved',
      decidedBy: 'alice',
      decidedByIss: LOGIN,
    })
  })

  it('[G-18] inherits nothing from before issuers were noted: a token without one is refused', async () => {
    const { agents, id, alice, call } = await namesakes()
    const { access_token } = await agents.exchange(id, { subject: alice })
    expect(await call(access_token)).toBe('ok')
    const principal = { ...alice, method: 'agent_token' as const, iss: AGENTS, client_id: id }
    const claims = decodeJwt(access_token)
    const { sub_id: _, ...older } = claims
    expect(await agents.status({ ...principal, claims })).toMatchObject({ ok: true })
    expect(await agents.status({ ...principal, claims: older })).toMatchObject({ ok: false, detail: 'no consent' })
  })
})
