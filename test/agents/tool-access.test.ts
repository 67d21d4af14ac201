import {
  createApprovals,
  createToolAccess,
  type Segment,
  scenarios,
  type ToolAccessOptions,
  type ToolCall,
  type ToolRule,
} from 'sallyport/agents'
import { memoryLedger, memoryStore, StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { attempts, changed, strangers, tools } from './attempts.js'
import { DAY, NOON } from './identity.js'
import { world } from './world.js'

const read: ToolCall = { tool: 'data.read', estimate: 10 }
const chat = (more: Partial<ToolCall> = {}): ToolCall => ({ tool: 'model.chat', estimate: 10, ...more })
const models = {
  tiers: { 'gpt-4': 'standard', 'gpt-pro': 'premium' },
  aliases: { 'openai/gpt-4': 'gpt-4', best: 'gpt-pro' },
} satisfies Partial<ToolAccessOptions>

describe('a tool call', () => {
  it('is refused for whoever is neither an agent nor a key', async () => {
    const { verifyToolAccess, principalOf } = await world()
    const principal = await principalOf({})
    expect((await verifyToolAccess(principal, read)).tool).toBe('data.read')
    for (const method of ['access_token', 'session_cookie', 'client_certificate'] as const)
      await expect(verifyToolAccess({ ...principal, method }, read)).rejects.toMatchObject({
        code: 'credential_not_accepted',
      })
    const { tenant: _, ...elsewhere } = principal
    await expect(verifyToolAccess(elsewhere, read)).rejects.toMatchObject({ code: 'tenant_missing' })
    const { client_id: __, ...nameless } = principal
    await expect(verifyToolAccess(nameless, read)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('is refused for tools that there are not, names of Object’s members included', async () => {
    const { call, executed, events } = await world()
    for (const tool of ['data.drop', 'constructor', '__proto__', '', 'data.read ', 'x'.repeat(10_000)])
      expect(await call({ tool, estimate: 1 })).toEqual([403, 'tool_denied'])
    expect(executed).toEqual([])
    expect(events.at(-1)).toEqual({
      type: 'tool_refused',
      tenant: 'acme',
      agent: 'agent_a',
      tool: 'unknown',
      code: 'tool_denied',
      detail: 'unknown',
    })
    expect(await call(read)).toBe('ok')
  })

  it('[A-69] is refused with arguments that are no plain data', async () => {
    const args = [
      { amount: Number.NaN },
      { amount: Number.POSITIVE_INFINITY },
      { amount: undefined },
      { at: new Date(0) },
      { deep: { list: [1, { of: new Map() }] } },
      { amount: 1n },
      JSON.parse('{"__proto__":{"amount":1}}'),
      JSON.parse('{"deep":{"__proto__":{"amount":1}}}'),
      Object.assign(Object.create({ amount: 1 }), { to: 'bob' }),
      { half: '\ud800' },
      ['a list'],
      'a text',
      null,
      Object.defineProperty({}, 'amount', { enumerable: true, get: () => 1 }),
    ]
    const { code } = await world({ tools: { pay: { scope: 'data:write', accepts: () => true } } })
    for (const one of args) expect(await code({ tool: 'pay', args: one, estimate: 1 })).toBe('call_invalid')
  })

  it('is refused with names that nobody could keep, before an approval is spent', async () => {
    const { code } = await world()
    for (const name of ['resource', 'correlation', 'approval'])
      for (const text of ['', 'a\nb', 'x'.repeat(201), '\ud800', 5, null])
        expect(await code({ ...read, [name]: text })).toBe('call_invalid')
    expect(await code({ ...read, resource: 'note 7', correlation: 'run 1', approval: 'id' })).toBe('ok')
  })

  it('[A-69] is refused with arguments that the tool does not accept, and where it cannot tell', async () => {
    const accepts: NonNullable<Exclude<ToolAccessOptions['tools'][string], string>['accepts']> = ({ amount }) =>
      typeof amount === 'number' && amount <= 100
    const { code } = await world({
      tools: {
        pay: { scope: 'data:write', accepts },
        broken: { scope: 'data:write', accepts: (args) => (args['list'] as string[]).length > 0 },
        vague: { scope: 'data:write', accepts: (async () => false) as unknown as () => boolean },
      },
    })
    for (const amount of [101, '5', null, [5], { valueOf: 5 }])
      expect(await code({ tool: 'pay', args: { amount }, estimate: 1 })).toBe('arguments_denied')
    expect(await code({ tool: 'pay', estimate: 1 })).toBe('arguments_denied')
    expect(await code({ tool: 'broken', args: {}, estimate: 1 })).toBe('arguments_denied')
    expect(await code({ tool: 'vague', args: {}, estimate: 1 })).toBe('arguments_denied')
  })

  it('[A-69 twin] is made with the arguments as they were checked, whatever becomes of the object', async () => {
    const { grant, principalOf, verifyToolAccess } = await world()
    const call: ToolCall = { ...read, args: { amount: 5 } }
    const granting = verifyToolAccess(await principalOf({}), call)
    Object.assign(call, { args: { amount: 500 }, estimate: 0, tool: 'notes.update' })
    expect(await granting).toMatchObject({ tool: 'data.read', args: { amount: 5 } })
    const args = { amount: 5, list: [{ to: 'bob' }], __proto: 1 }
    const { args: kept } = await grant({ ...read, args })
    args.amount = 500
    args.list.push({ to: 'eve' })
    expect(kept).toEqual({ amount: 5, list: [{ to: 'bob' }], __proto: 1 })
    expect(Object.isFrozen((kept['list'] as unknown[])[0])).toBe(true)
  })

  it('is refused for too little scope, naming all that is missing', async () => {
    const { api, requestOf, call } = await world({
      tools: { move: { scope: ['data:read', 'data:write', 'data:move'] } },
    })
    const response = await api(await requestOf({ scopes: ['data:read'] }, { tool: 'move', estimate: 1 }))
    expect(response.status).toBe(403)
    expect(response.headers.get('WWW-Authenticate')).toContain('scope="data:read data:write data:move"')
    expect(await call({ tool: 'move', estimate: 1 }, { scopes: ['data:read', 'data:write', 'data:move'] })).toBe('ok')
  })

  it('belongs to the tenant of the credential, whatever the arguments say', async () => {
    const { grant, code } = await world()
    expect((await grant({ ...read, args: { tenant: 'globex' } })).tenant).toBe('acme')
    expect(await code({ ...read, tenant: 'globex' })).toBe('tenant_mismatch')
    expect(await code({ ...read, tenant: 'acme' })).toBe('ok')
  })

  it('is narrowed by the token, and by every limit in it', async () => {
    const { code, principalOf, verifyToolAccess } = await world(models)
    expect(await code(read, { limits: { tools: ['model.chat'] } })).toBe('tool_denied')
    expect(await code(read, { limits: { tools: [] } })).toBe('tool_denied')
    expect(await code(read, { limits: { tools: ['data.read'] } })).toBe('ok')
    expect(await code(chat({ model: 'gpt-4' }), { limits: { tiers: ['premium'] } })).toBe('model_denied')
    expect(await code(chat({ model: 'gpt-4' }), { limits: { tiers: ['standard'] } })).toBe('ok')
    const principal = await principalOf({})
    const limits = (...list: unknown[]) => ({
      ...principal,
      claims: { ...principal.claims, authorization_details: list },
    })
    const [mine] = principal.claims['authorization_details'] as [object]
    const twice = limits({ ...mine, tools: ['data.read'] }, { ...mine, tools: ['model.chat'] })
    await expect(verifyToolAccess(twice, read)).rejects.toMatchObject({ code: 'tool_denied' })
    for (const broken of [
      { ...mine, tools: 'data.read' },
      { ...mine, tiers: [1] },
      { ...mine, tools: null },
      { ...mine, budget: { day: -1 } },
      { ...mine, budget: { day: '1' } },
      { ...mine, budget: null },
    ])
      await expect(verifyToolAccess(limits(broken), read)).rejects.toMatchObject({
        code: 'invalid_token',
        cause: { because: 'authorization_details' },
      })
    expect((await verifyToolAccess(limits({ type: 'payment', tools: 'x' }, null, mine), read)).tool).toBe('data.read')
  })
})

describe('a model', () => {
  it('[A-64] is refused where no name of it is known', async () => {
    const { code } = await world(models)
    for (const model of ['gpt-5', 'gpt-4-turbo', 'azure/gpt-4', '', 'constructor', '__proto__', 'gpt-4\0'])
      expect(await code(chat({ model }))).toBe('model_denied')
  })
  it('[A-64 twin] is resolved once: what is checked is what is called', async () => {
    const { call, executed } = await world(models)
    for (const model of ['gpt-4', 'GPT-4', 'openai/gpt-4', 'OpenAI/GPT-4', ' gpt-4 ', 'gpt-4\n'])
      expect(await call(chat({ model }))).toBe('ok')
    expect(new Set(executed.map(({ model }) => model))).toEqual(new Set(['gpt-4']))
  })

  it('[A-63] of a tier that the key may not have is refused as fallback, too', async () => {
    const { grant, balance, events } = await world(models)
    const first = await grant(chat({ model: 'gpt-4', estimate: 40 }))
    await expect(first.fallback('BEST')).rejects.toMatchObject({ code: 'insufficient_scope' })
    await expect(first.fallback('gpt-5')).rejects.toMatchObject({ code: 'model_denied' })
    expect(events.at(-1)).toMatchObject({ type: 'tool_refused', code: 'model_denied' })
    expect(await balance()).toEqual([0, 0])
    const limited = { scopes: ['data:read', 'model:standard', 'model:premium'], limits: { tiers: ['standard'] } }
    const second = await grant(chat({ model: 'gpt-4' }), limited)
    await expect(second.fallback('best')).rejects.toMatchObject({ code: 'model_denied' })
  })
  it('[A-63 twin] of a tier that it may have takes over, at its own price', async () => {
    const { grant, balance } = await world({ ...models, rates: { 'gpt-4': 1, 'gpt-pro': 20 } })
    const caller = { scopes: ['data:read', 'model:standard', 'model:premium'] }
    const first = await grant(chat({ model: 'gpt-4', estimate: 40 }), caller)
    const second = await first.fallback('best')
    expect(second.model).toBe('gpt-pro')
    expect(await balance()).toEqual([0, 800])
    await second.settle({ units: 30 })
    expect(await balance()).toEqual([600, 0])
    const third = await grant(chat({ model: 'gpt-4', estimate: 100 }), caller)
    await third.started()
    await third.settle({ units: 7 })
    const fourth = await third.fallback('best')
    expect(await balance()).toEqual([607, 2000])
    await fourth.release()
    const dear = await grant(chat({ model: 'gpt-4', estimate: 500 }), caller)
    await expect(dear.fallback('best')).rejects.toMatchObject({ code: 'budget_exceeded' })
  })

  it('leaves a row for a fallback to another model, and none goes on without', async () => {
    let down = false
    const tools = { 'model.chat': { scope: 'data:read', audit: true } }
    const made = await world({ ...models, tools })
    const { grant, rows, balance, open, principalOf } = made
    const caller = { scopes: ['data:read', 'model:standard', 'model:premium'] }
    const first = await grant(chat({ model: 'gpt-4', estimate: 40 }), caller)
    await (await first.fallback('best')).settle({ units: 1 })
    expect(await rows()).toMatchObject([{ decision: 'allowed' }, { decision: 'allowed', reason: 'fallback' }])
    const [one, two] = await rows()
    expect(two?.digest).not.toBe(one?.digest)
    const append: typeof made.audit.append = async (entry) => {
      if (down) throw new StoreError('store_unavailable')
      return made.audit.append(entry)
    }
    const access = open({ ...models, tools, audit: { append } })
    const third = await access(await principalOf(caller), chat({ model: 'gpt-4', estimate: 40 }))
    const before = await balance()
    down = true
    await expect(third.fallback('best')).rejects.toThrow(StoreError)
    expect((await balance())[1]).toBe((before[1] ?? 0) - 40)
  })

  it.each([[[null]], [['text']], [[7]], [{}], [7], [null]])('answers an input that is none: %j', async (input) => {
    const { code } = await world({ classify: () => 'support', categories: { support: ['reader', 'writer'] } })
    expect(await code({ ...read, input: input as never })).toBe('category_denied')
  })

  it('[A-37] is paid for as what it is, not as what it is called', async () => {
    const rates = { 'gpt-4': 0, 'gpt-pro': 20 }
    const aliases = { 'free-model': 'gpt-pro' }
    const { grant, balance, code } = await world({ ...models, aliases, rates })
    const caller = { scopes: ['data:read', 'model:standard', 'model:premium'] }
    const grant1 = await grant(chat({ model: 'free-model', estimate: 100 }), caller)
    expect(await balance()).toEqual([0, 2000])
    await grant1.settle({ units: 60 })
    expect(await balance()).toEqual([1200, 0])
    const free = await grant(chat({ model: 'gpt-4', estimate: 1_000_000 }), caller)
    await free.settle({ units: 5000 })
    expect(await balance()).toEqual([1200, 0])
    expect(await code(chat({ model: 'free-model', estimate: 500 }), caller)).toBe('budget_exceeded')
  })

  it('[A-35] is priced by a function, rounded up, or not called at all', async () => {
    const price = (model: string, units: number) => (model === 'gpt-4' ? units / 3 : Number.NaN)
    const { grant, balance, code } = await world({ ...models, rates: price })
    const caller = { scopes: ['data:read', 'model:standard', 'model:premium'] }
    await (await grant(chat({ model: 'gpt-4', estimate: 100 }), caller)).settle({ units: 10 })
    expect(await balance()).toEqual([4, 0])
    expect(await code(chat({ model: 'best' }), caller)).toBe('cost_unknown')
  })
})

describe('what a prompt is about', () => {
  const about: Record<string, string> = { 'where is my parcel': 'support', 'write me a virus': 'code' }
  const classify = ({ text }: Segment) => about[text] ?? 'nobody knows'
  const options = { ...models, classify, categories: { support: ['writer', 'reader'], code: ['executor'] } }
  const segment = (text: string, role: Segment['role'] = 'user') => ({ role, text })
  const asking = (input: ToolCall['input'], more: object = {}): ToolCall => ({
    ...chat({ model: 'gpt-4', ...more }),
    ...(input !== undefined && { input }),
  })

  it('[A-62] is for the classifier to say, of every part: refused for another role, unknown, or unsaid', async () => {
    const { code } = await world(options)
    const refused = async (input: ToolCall['input'], more = {}) =>
      expect(await code(asking(input, more))).toBe('category_denied')
    await refused('write me a virus')
    expect(await code(asking('write me a virus', { category: 'support' }))).toBe('call_invalid')
    await refused([{ ...segment('write me a virus'), category: 'support' } as Segment])
    await refused([segment('where is my parcel'), segment('write me a virus', 'tool')])
    await refused([
      segment('where is my parcel'),
      segment('write me a virus', 'assistant'),
      segment('where is my parcel'),
    ])
    await refused('what nobody has heard of')
    await refused('constructor')
    await refused([])
    await refused(undefined)
    await refused([{ role: 'user', content: 'where is my parcel' } as unknown as Segment])
  })
  it('[A-62] refuses when the classifier fails, takes too long, or says something else', async () => {
    for (const broken of [
      () => {
        throw new Error('down')
      },
      async () => Promise.reject(new Error('down')),
      () => new Promise<string>(() => {}),
      () => undefined as unknown as string,
      () => '__proto__',
    ] as const) {
      const { code } = await world({ ...options, classify: broken, classifyTimeout: 0.05 })
      expect(await code(asking('where is my parcel'))).toBe('category_denied')
    }
  })
  it('[A-62] is narrowed by the token', async () => {
    const { code } = await world(options)
    expect(await code(asking('where is my parcel'), { limits: { categories: ['billing'] } })).toBe('category_denied')
  })
  it('[A-62 twin] is let through for a role that may, and asked of input without a model as well', async () => {
    const seen: unknown[] = []
    const { code } = await world({
      ...options,
      classify: (segment) => {
        seen.push(segment)
        return classify(segment)
      },
    })
    const input = [{ ...segment('where is my parcel', 'tool'), category: 'code' } as Segment]
    expect(await code(asking(input), { limits: { categories: ['support'] } })).toBe('ok')
    expect(seen).toEqual([segment('where is my parcel', 'tool')])
    const executor = { agent: 'agent_x', role: 'executor' }
    expect(await code(asking('write me a virus'), executor)).toBe('ok')
    expect(await code({ ...read, input: 'write me a virus' })).toBe('category_denied')
    expect(await code(read)).toBe('ok')
  })
})

describe('an agent', () => {
  it('[G-14] that is stopped gets no grant any more, and does nothing with the one that it has', async () => {
    const { agents, api, code, grant, principalOf, requestOf, executed, balance, events } = await world()
    const held = await grant({ tool: 'notes.update', estimate: 40 })
    const [principal, request] = [await principalOf({}), await requestOf({}, read)]
    await agents.stop({ tenant: 'acme' })
    const write = async () => {
      await held.confirm()
      executed.push({ tool: held.tool, args: held.args })
    }
    await expect(write()).rejects.toMatchObject({ code: 'invalid_token' })
    await expect(write()).rejects.toMatchObject({ code: 'grant_ended' })
    await expect(held.started()).rejects.toMatchObject({ code: 'grant_ended' })
    expect((await api(request)).status).toBe(401)
    expect(await code(read, principal)).toBe('invalid_token')
    expect(events.at(-1)).toMatchObject({ code: 'invalid_token', detail: 'stopped' })
    expect(executed).toEqual([])
    expect(await balance()).toEqual([0, 0])
  })
  it('[G-14] that is stopped between two writes of one grant makes the first, and pays', async () => {
    const { agents, grant, balance } = await world()
    {
      await using held = await grant({ tool: 'notes.update', estimate: 40 })
      await held.confirm()
      await held.confirm()
      await agents.stop({ tenant: 'acme' })
      await expect(held.confirm()).rejects.toMatchObject({ code: 'invalid_token' })
    }
    expect(await balance()).toEqual([40, 0])
  })
  it('[G-14 twin] that is not stopped writes', async () => {
    const { call, executed, balance } = await world()
    expect(await call({ tool: 'notes.update', args: { text: 'hello' }, estimate: 40 })).toBe('ok')
    expect(executed).toEqual([{ tool: 'notes.update', args: { text: 'hello' } }])
    expect(await balance()).toEqual([40, 0])
  })

  it('whose role has changed needs a token of the new one', async () => {
    const { code, principalOf, store } = await world()
    const principal = await principalOf({})
    // No function changes a role; whoever runs the store can.
    const id = { kind: 'agent', partition: 'agent_a', id: 'agent_a' }
    const row = JSON.parse((await store.get(id))?.value ?? '')
    await store.write([{ type: 'put', id, value: JSON.stringify({ ...row, role: 'reader' }), ifVersion: 'any' }])
    expect(await code(read, principal)).toBe('invalid_token')
    expect(await code(read, { role: 'reader' })).toBe('ok')
  })

  it('[T-08] has a grant, a token and a budget by the clock that was handed in', async () => {
    const { grant, principalOf, verifyToolAccess, advance, now, balance } = await world({ ttl: 100 })
    const real = Date.now
    const held = await grant({ ...read, estimate: 6000 })
    const begun = await grant({ ...read, estimate: 3000 })
    await begun.started()
    advance(99)
    expect(await balance()).toEqual([0, 9000])
    await held.started()
    advance(2)
    await expect(held.confirm()).rejects.toMatchObject({ code: 'grant_ended' })
    // What had begun and was not settled counts in full, until it is settled after all.
    expect(await balance()).toEqual([9000, 0])
    await held.settle({ units: 10 })
    await begun.settle({ units: 20 })
    expect(await balance()).toEqual([30, 0])
    const principal = await principalOf({})
    advance((principal.expiresAt ?? 0) - now() - 1)
    await verifyToolAccess(principal, read)
    advance(1)
    await expect(verifyToolAccess(principal, read)).rejects.toMatchObject({ code: 'invalid_token' })
    advance(DAY)
    expect(await balance()).toEqual([0, 0])
    expect(Date.now).toBe(real)
  })
  it('[T-08] begins nothing with a grant that outlives its token', async () => {
    const { grant, advance } = await world({ ttl: 7200 })
    const held = await grant(read)
    advance(3600)
    await expect(held.started()).rejects.toMatchObject({ code: 'grant_ended' })
  })
})

describe('an approval', () => {
  const replace: ToolCall = { tool: 'notes.replace', args: { text: 'new' }, estimate: 10 }
  const forAlice = { sub: 'alice' }

  it('[G-04] is asked for where there is none: 403 with its id, and nothing is done', async () => {
    const { api, requestOf, executed, balance } = await world()
    const response = await api(await requestOf(forAlice, replace))
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({
      error: 'approval_required',
      approval: { id: expect.any(String), code: expect.any(String), expiresAt: expect.any(Number) },
    })
    expect(executed).toEqual([])
    expect(await balance()).toEqual([0, 0])
  })
  it('[G-04] that is pending, of another call, or made up does not do', async () => {
    const { approve, grant, code } = await world()
    const { id } = await asked(grant(replace, forAlice))
    expect(await code({ ...replace, approval: id }, forAlice)).toBe('approval_required')
    await approve(id)
    expect(await code({ ...replace, args: { text: 'other' }, approval: id }, forAlice)).toBe('approval_mismatch')
    expect(await code({ ...replace, resource: 'note 2', approval: id }, forAlice)).toBe('approval_mismatch')
    expect(await code({ ...replace, approval: id }, { sub: 'bob' })).toBe('approval_mismatch')
    expect(await code({ ...replace, approval: id }, { ...forAlice, agent: 'agent_b', tenant: 'globex' })).toBe(
      'approval_required',
    )
    expect(await code({ ...replace, approval: 'no such' }, forAlice)).toBe('approval_required')
  })
  it('[G-04 twin] that a person has given opens the tool, once', async () => {
    const { approve, grant, code, call, executed } = await world()
    const { id } = await asked(grant(replace, forAlice))
    await approve(id)
    expect(await call({ ...replace, approval: id }, forAlice)).toBe('ok')
    expect(executed).toHaveLength(1)
    expect(await code({ ...replace, approval: id }, forAlice)).toBe('approval_used')
  })

  it.each([
    ['another model', { model: 'best' }],
    ['a larger estimate', { estimate: 1000 }],
    ['a smaller estimate', { estimate: 99 }],
  ])('[G-05][A-56] covers model and estimate: %s is another call, and nothing is done', async (_, change) => {
    const tools = { 'model.chat': { scope: 'data:read', approval: 'human' as const, audit: true } }
    const { approve, grant, call, code, executed, balance } = await world({ ...models, tools })
    const caller = { ...forAlice, scopes: ['data:read', 'model:standard', 'model:premium'] }
    const wanted = chat({ model: 'gpt-4', estimate: 100 })
    const { id } = await asked(grant(wanted, caller))
    await approve(id)
    expect(await call({ ...wanted, ...change, approval: id }, caller)).toEqual([403, 'approval_mismatch'])
    expect([executed, await balance()]).toEqual([[], [0, 0]])
    expect(await code({ ...wanted, approval: id }, caller)).toBe('approval_void')
  })
  it('[A-56 twin] covers a model by any of its names; a fallback from there leaves its row', async () => {
    const tools = { 'model.chat': { scope: 'data:read', approval: 'human' as const, audit: true } }
    const { approve, grant, rows } = await world({ ...models, tools })
    const caller = { ...forAlice, scopes: ['data:read', 'model:standard', 'model:premium'] }
    const { id } = await asked(grant(chat({ model: 'gpt-4', estimate: 100 }), caller))
    await approve(id)
    const first = await grant(chat({ model: 'openai/gpt-4', estimate: 100, approval: id }), caller)
    const second = await first.fallback('best')
    expect([first.model, second.model, second.approvalId]).toEqual(['gpt-4', 'gpt-pro', id])
    const [, allowed, fallback] = await rows()
    expect([allowed, fallback]).toMatchObject([
      { decision: 'allowed', approvalId: id },
      { decision: 'allowed', reason: 'fallback', approvalId: id },
    ])
    expect(fallback?.digest).not.toBe(allowed?.digest)
  })

  it('[G-07] that was used up in time begins nothing once it is too old', async () => {
    const { approve, grant, executed, advance, balance } = await world()
    const { id, expiresAt } = await asked(grant(replace, forAlice))
    await approve(id)
    advance(299)
    const late = await grant({ ...replace, approval: id }, forAlice)
    expect(late.expiresAt).toBe(expiresAt)
    advance(1)
    await expect(late.confirm()).rejects.toMatchObject({ code: 'grant_ended' })
    await late[Symbol.asyncDispose]()
    expect(executed).toEqual([])
    expect(await balance()).toEqual([0, 0])
  })

  it('[A-57] is used by one of many at once', async () => {
    const sides = await threeSides()
    expect(await attempts(sides, { right: {} }, 1000)).toEqual({
      ran: { right: 1 },
      statuses: new Set([409]),
      status: 'consumed',
    })
    expect(await sides[0]?.balance()).toEqual([1, 0])
  })
  it('[A-56] never runs another call, nor for others, whoever comes at once', async () => {
    const among = { ...strangers(), right: {} }
    const found = await attempts(await threeSides(), among, 250)
    expect(found.ran).toEqual({ ...Object.fromEntries(Object.keys(among).map((kind) => [kind, 0])), right: 1 })
    expect([found.status, found.statuses]).toEqual(['consumed', new Set([403, 409])])
    for (const kinds of [
      { right: {}, ...changed },
      { ...changed, right: {} },
    ]) {
      const { ran, status } = await attempts(await threeSides(), kinds, 250)
      const { right, ...others } = ran
      expect(new Set(Object.values(others))).toEqual(new Set([0]))
      expect([right, status]).toEqual(status === 'void' ? [0, 'void'] : [1, 'consumed'])
    }
  })

  it('is not used up by what the budget refuses', async () => {
    const { agents, approve, grant, code } = await world()
    const dear = { ...replace, estimate: 9000 }
    const { id } = await asked(grant(dear, forAlice))
    await approve(id)
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 100 } })
    expect(await code({ ...dear, approval: id }, forAlice)).toBe('budget_exceeded')
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 9000 } })
    expect(await code({ ...dear, approval: id }, forAlice)).toBe('ok')
  })
  it('is not asked for where the call could not be made anyhow', async () => {
    const { agents, code, approvals, principalOf } = await world()
    const principal = await principalOf(forAlice)
    const request = vi.spyOn(approvals, 'request')
    expect(await code({ ...replace, estimate: 10_001 }, { ...forAlice, limits: { budget: { request: 100 } } })).toBe(
      'budget_exceeded',
    )
    await agents.stop({ tenant: 'acme' })
    expect(await code(replace, principal)).toBe('invalid_token')
    expect(request).not.toHaveBeenCalled()
  })
  it.each<[way: string, end: ((agents: { stop: Stop; decommission: Decommission }) => Promise<void>) | undefined]>([
    ['[G-14] is taken back when its tenant is stopped at that moment', ({ stop }) => stop({ tenant: 'acme' })],
    [
      '[G-14] is taken back when its agent is ended at that moment',
      ({ decommission }) => decommission('agent_a', { tenant: 'acme', reason: 'done' }),
    ],
    ['[G-14 twin] waits when nothing is ended', undefined],
  ])('%s', async (_, end) => {
    const { agents, approvals, code } = await world()
    const { request } = approvals
    // The agent was looked at, and the request is on its way.
    vi.spyOn(approvals, 'request').mockImplementationOnce(async (...asked) => {
      await end?.(agents)
      return request(...asked)
    })
    expect(await code(replace, forAlice)).toBe(end ? 'invalid_token' : 'approval_required')
    const pending = async (agent: string) => (await approvals.pending({ tenant: 'acme', agent })).items.length
    expect(await pending('agent_a')).toBe(end ? 0 : 1)
  })
})

type Stop = (which: { tenant: string }) => Promise<void>
type Decommission = (id: string, options: { tenant: string; reason: string }) => Promise<void>

/** Three processes, as far as they share nothing but the store. */
async function threeSides() {
  const now = () => NOON
  const [store, ledger] = [memoryStore({ now }), memoryLedger({ now })]
  const side = () => world({ tools, ledger }, { store: () => store })
  return [await side(), await side(), await side()]
}

/** What was asked for in the refusal of a call that waits for a person. */
async function asked(granting: Promise<unknown>): Promise<{ id: string; expiresAt: number }> {
  const error = await granting.then(
    () => undefined,
    (reason: { code?: string; cause?: unknown }) => reason,
  )
  expect(error?.code).toBe('approval_required')
  return error?.cause as { id: string; expiresAt: number }
}

describe('the audit trail', () => {
  const tools = { 'log.read': { scope: 'data:read', audit: true } }
  const call: ToolCall = { tool: 'log.read', args: { day: 1 }, estimate: 10, resource: 'log 7', correlation: 'run 3' }

  it('has a row for every call of an audited tool, allowed or refused, and no arguments', async () => {
    const { code, rows } = await world({ tools })
    await code(call, { sub: 'alice' })
    await code(call, { scopes: ['model:standard'] })
    expect(await rows()).toEqual([
      {
        tenant: 'acme',
        agent: 'agent_a',
        iss: 'https://login.example.com',
        sub: 'alice',
        action: 'tool:log.read',
        resource: 'log 7',
        decision: 'allowed',
        digest: expect.stringMatching(/^[\w-]{43}$/),
        correlation: 'run 3',
      },
      {
        tenant: 'acme',
        agent: 'agent_a',
        action: 'tool:log.read',
        resource: 'log 7',
        decision: 'refused',
        reason: 'insufficient_scope',
        correlation: 'run 3',
      },
    ])
  })
  it('has a row for a call whose names cannot be kept, too, and leaves them out', async () => {
    const { code, rows } = await world({ tools })
    for (const name of ['resource', 'correlation', 'approval'])
      expect(await code({ ...call, [name]: 'a\nb' })).toBe('call_invalid')
    expect(await rows()).toMatchObject([
      { decision: 'refused', reason: 'call_invalid', correlation: 'run 3' },
      { decision: 'refused', reason: 'call_invalid', resource: 'log 7' },
      { decision: 'refused', reason: 'call_invalid', resource: 'log 7', correlation: 'run 3' },
    ])
  })
  it('that cannot be written refuses, and gives back what was reserved', async () => {
    const { api, requestOf, executed, balance } = await world({
      tools,
      audit: { append: async () => Promise.reject(new StoreError()) },
    })
    const response = await api(await requestOf({}, call))
    expect(response.status).toBe(503)
    expect(response.headers.get('Retry-After')).toBe('5')
    expect(executed).toEqual([])
    expect(await balance()).toEqual([0, 0])
  })
})

describe('the four scenarios', () => {
  const acme = { tenant: 'acme' }
  const everything = ['data:read', 'data:write', 'external:invoke', 'exec:sandbox']
  const agent = { scopes: everything, sub: 'alice', mtls: true }
  const tools = {
    readPublic: scenarios.readPublic.tool,
    modifyUserData: scenarios.modifyUserData.tool,
    callExternal: scenarios.callExternal.tool,
    execute: scenarios.execute.tool,
  }
  const callOf = (tool: string): ToolCall => ({ tool, args: { text: 'x' }, estimate: 10 })

  it.each(Object.entries(scenarios))('%s: the guard and the tool want the same', (_name, { requirements, tool }) => {
    expect(requirements.scopes).toEqual([tool.scope])
    expect('methods' in tool ? tool.methods : ['agent_token']).toEqual(requirements.methods)
    expect('bound' in requirements).toBe('bound' in tool)
  })

  it.each(Object.entries(scenarios))(
    '%s: neither lets anybody in without the scope',
    async (name, { requirements }) => {
      const { protect, requestOf, code } = await world({ tools })
      const poor = { ...agent, scopes: everything.filter((scope) => scope !== requirements.scopes[0]) }
      expect((await protect(await requestOf(poor, {}), requirements)).ok).toBe(false)
      expect(await code(callOf(name), poor)).toBe('insufficient_scope')
      expect((await protect(await requestOf(agent, {}), requirements)).ok).toBe(true)
    },
  )

  it('readPublic takes an API key and needs nobody; the others do not take one', async () => {
    const { apiKeys, protect, sent, open, balance } = await world({ tools, budgets: { key: { day: 100 } } })
    const { key } = await apiKeys.create({
      tenant: 'acme',
      owner: 'alice',
      name: 'k',
      scopes: ['data:read', 'data:write'],
    })
    const request = () => sent({ 'X-API-Key': key }, {})
    const outcome = await protect(request(), scenarios.readPublic.requirements)
    if (!outcome.ok) throw new Error('refused')
    const verifyToolAccess = open()
    await using grant = await verifyToolAccess(outcome.principal, callOf('readPublic'))
    await grant.confirm()
    await grant.settle({ units: 7 })
    expect(await balance(`key:${outcome.principal.claims['lineage']}`)).toEqual([7, 0])
    for (const name of ['modifyUserData', 'callExternal', 'execute'] as const) {
      expect((await protect(request(), scenarios[name].requirements)).ok).toBe(false)
      await expect(verifyToolAccess(outcome.principal, callOf(name))).rejects.toMatchObject({
        code: 'credential_not_accepted',
      })
    }
  })

  it('modifyUserData needs a person, and that person’s consent', async () => {
    const { grant, code, approvals, approve } = await world({ tools })
    expect(await code(callOf('modifyUserData'), { scopes: everything, mtls: true })).toBe('delegation_required')
    const { id } = await asked(grant(callOf('modifyUserData'), agent))
    expect(await approvals.get(id, acme)).toMatchObject({ kind: 'user' })
    await approve(id)
    expect(await code({ ...callOf('modifyUserData'), approval: id }, agent)).toBe('ok')
  })

  it('callExternal needs a token bound to a certificate, and a human in the loop', async () => {
    const { grant, code, approvals, approve, protect, requestOf, principalOf, verifyToolAccess } = await world({
      tools,
    })
    const unbound = { ...agent, mtls: false }
    expect((await protect(await requestOf(unbound, {}), scenarios.callExternal.requirements)).ok).toBe(false)
    expect(await code(callOf('callExternal'), unbound)).toBe('invalid_token')
    const byKey = { ...(await principalOf(unbound)), bound: 'dpop' as const }
    await expect(verifyToolAccess(byKey, callOf('callExternal'))).rejects.toMatchObject({ code: 'invalid_token' })
    const { id } = await asked(grant(callOf('callExternal'), agent))
    expect(await approvals.get(id, acme)).toMatchObject({ kind: 'user' })
    const alone = await asked(grant(callOf('callExternal'), { scopes: everything, mtls: true }))
    expect(await approvals.get(alone.id, acme)).toMatchObject({ kind: 'admin' })
    await approve(id)
    expect(await code({ ...callOf('callExternal'), approval: id }, agent)).toBe('ok')
  })

  it('execute needs an administrator, a row in the audit trail, and a sandbox', async () => {
    const { grant, approvals, approve, rows, executed, open, balance } = await world({ tools })
    const { id } = await asked(grant(callOf('execute'), agent))
    expect(await approvals.get(id, acme)).toMatchObject({ kind: 'admin' })
    expect(await rows()).toMatchObject([{ decision: 'refused', reason: 'approval_required' }])
    await approve(id)
    {
      await using allowed = await grant({ ...callOf('execute'), approval: id }, agent)
      expect((await rows()).at(-1)).toMatchObject({ decision: 'allowed', approvalId: id })
      expect(await allowed.runInSandbox()).toBe('from the sandbox')
    }
    expect(executed).toEqual([{ tool: 'execute', args: { text: 'x' } }])
    expect(await balance()).toEqual([10, 0])
    for (const missing of ['approvals', 'audit', 'sandbox'] as const)
      expect(() => open({ [missing]: undefined })).toThrow(`"${missing}"`)
  })
  it('[G-22] runs once for one approval, one grant and five calls, and never unpaid', async () => {
    const { grant, approve, executed, balance } = await world({ tools })
    const { id } = await asked(grant(callOf('execute'), agent))
    await approve(id)
    const allowed = await grant({ ...callOf('execute'), approval: id }, agent)
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => allowed.runInSandbox()))
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', ...Array(4).fill('rejected')])
    await allowed.settle({ units: 10 })
    await expect(allowed.runInSandbox()).rejects.toMatchObject({ code: 'grant_ended' })
    await allowed[Symbol.asyncDispose]()
    expect([executed.length, await balance()]).toEqual([1, [10, 0]])
    // Paid for with nothing, nothing runs.
    const { id: next } = await asked(grant(callOf('execute'), agent))
    await approve(next)
    const other = await grant({ ...callOf('execute'), approval: next }, agent)
    await other.settle({ units: 0 })
    await expect(other.runInSandbox()).rejects.toMatchObject({ code: 'grant_ended' })
    expect(executed).toHaveLength(1)
  })

  it('[G-22 twin] runs once for each approval, and not where nobody can say whether the agent stands', async () => {
    const { grant, approve, executed, agents } = await world({ tools })
    for (let runs = 1; runs <= 2; runs++) {
      const { id } = await asked(grant(callOf('execute'), agent))
      await approve(id)
      await using allowed = await grant({ ...callOf('execute'), approval: id }, agent)
      expect(await allowed.runInSandbox()).toBe('from the sandbox')
      expect(executed).toHaveLength(runs)
    }
    const { id } = await asked(grant(callOf('execute'), agent))
    await approve(id)
    await using allowed = await grant({ ...callOf('execute'), approval: id }, agent)
    const { status } = agents
    agents.status = () => Promise.reject(new StoreError())
    await expect(allowed.runInSandbox()).rejects.toMatchObject({ code: 'store_unavailable' })
    agents.status = status
    expect(executed).toHaveLength(2)
  })

  it('what needs no sandbox has none', async () => {
    const { grant } = await world()
    await expect((await grant(read)).runInSandbox()).rejects.toThrow(TypeError)
  })
})

describe('a grant', () => {
  it('holds no secret', async () => {
    const { grant, requestOf } = await world(models)
    const token = (await requestOf({}, {})).headers.get('authorization')?.slice(7) ?? ''
    const text = JSON.stringify(await grant(chat({ model: 'gpt-4' })))
    expect(text).not.toContain(token.split('.')[2])
    expect(JSON.parse(text)).toEqual({
      tool: 'model.chat',
      args: {},
      tenant: 'acme',
      model: 'gpt-4',
      expiresAt: expect.any(Number),
    })
  })
})

describe('misuse', () => {
  it('is a TypeError that names the option', () => {
    const agents = { status: async () => ({ ok: false as const, detail: 'x' }) }
    const good: ToolAccessOptions = { agents, ledger: memoryLedger(), tools: { 'data.read': 'data:read' } }
    const wrong: Record<string, Partial<ToolAccessOptions>> = {
      '"agents"': { agents: {} as typeof agents },
      '"ledger"': { ledger: {} as ToolAccessOptions['ledger'] },
      '"tools" is empty': { tools: {} },
      '"tools.data.read.scope" must be': { tools: { 'data.read': { scope: [] } } },
      'data.read, which needs a "scope"': { tools: { 'data.read': { scope: 'a b' } } },
      'a b, which must be': { tools: { 'a b': 'data:read' } },
      '"tools.x.approvals" is not known here; did you mean "approval"?': {
        tools: { x: { scope: 'a', approvals: 'admin' } as object as ToolRule },
      },
      '"tools.x.approval" must be': { tools: { x: { scope: 'a', approval: 'admins' } as object as ToolRule } },
      '"tools.x.bound" must be': { tools: { x: { scope: 'a', bound: true } as object as ToolRule } },
      'x, which waits for people: pass "approvals"': { tools: { x: { scope: 'a', approval: 'admin' } } },
      'keys cannot ask': {
        tools: { x: { scope: 'a', approval: 'admin', methods: ['api_key'] } },
        approvals: createApprovals({ store: memoryStore() }),
      },
      'pass "audit"': { tools: { x: { scope: 'a', audit: true } } },
      'pass "sandbox"': { tools: { x: { scope: 'a', sandbox: true } } },
      '"aliases" calls gpt-9': { aliases: { best: 'gpt-9' } },
      'two models of the name': { tiers: { 'gpt-4': 'a', 'GPT-4': 'b' } },
      '"classify" and "categories"': { classify: () => 'x' },
      '"classifyTimeout"': { classify: () => 'x', categories: {}, classifyTimeout: 0 },
      '"ttl"': { ttl: 0 },
      '"budgets.tenant.day"': { budgets: { tenant: { day: '5' as unknown as number } } },
      '"budget" is not known here; did you mean "budgets"?': { budget: {} } as object,
    }
    expect(() => createToolAccess(good)).not.toThrow()
    for (const [words, options] of Object.entries(wrong))
      expect(() => createToolAccess({ ...good, ...options }), words).toThrow(words)
  })
})
