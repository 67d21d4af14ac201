import { exportJWK, generateKeyPair } from 'jose'
import {
  type AgentEvent,
  type Approval,
  type ApprovalRequest,
  type ApprovalsOptions,
  agentAnswer,
  type Call,
  createApprovals,
} from 'sallyport/agents'
import { accessToken, createGuard } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryStore, StoreError } from 'sallyport/store'
import { type AccessTokenClaims, createTokenIssuer } from 'sallyport/tokens'
import { describe, expect, it, vi } from 'vitest'

const LOGIN = 'https://login.example.com'
const API = 'https://api.example.com'
const DAY = 86_400
const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const key = JSON.stringify(await exportJWK(privateKey))

/** A transfer that needs an approval, people who decide, and an agent that acts for Alice; the clock stands still. */
function world(options: Partial<ApprovalsOptions> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const store = memoryStore({ now })
  const events: AgentEvent[] = []
  const executed: unknown[] = []
  const open = () => createApprovals({ store, now, onEvent: (event) => events.push(event), ...options })
  const approvals = open()
  const tokens = createTokenIssuer({
    issuer: LOGIN,
    audience: API,
    keys: [{ alg: 'ES256', key }],
    store,
    now,
  })
  const keys = createApiKeys({ store, prefix: 'sp_test', scopes: ['admin:approve'], now })
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: tokens.issuer, algs: tokens.algs, keys: tokens.keys }), apiKey(keys)],
    now,
  })

  async function token(sub: string, more: { client_id?: string; scopes?: string[]; claims?: AccessTokenClaims } = {}) {
    const { client_id = 'page', scopes = [], claims = {} } = more
    const issued = await tokens.issue({
      sub,
      client_id,
      scopes,
      claims: { tenant: 'acme', auth_time: time, ...claims },
    })
    return issued.access_token
  }

  async function api(request: Request): Promise<Response> {
    const outcome = await protect(request)
    if (!outcome.ok) return outcome.response
    const { principal } = outcome
    const body = await request.json()
    try {
      const [, path, id = ''] = new URL(request.url).pathname.split('/')
      if (path === 'approvals') {
        const { status } = await approvals.decide(decodeURIComponent(id), { by: principal, ...body })
        return Response.json({ status })
      }
      const { tenant = '', client_id: agent = '', iss, sub } = principal
      const call: Call = { tenant, agent, ...(iss !== undefined && { iss }), sub, tool: body.tool, args: body.args }
      const presented = body.approval ?? (await approvals.request({ ...call, kind: body.kind ?? 'user' })).id
      const { args } = await approvals.consume(presented, call)
      executed.push(args)
      return Response.json({ done: true })
    } catch (error) {
      return agentAnswer(error)
    }
  }

  async function send(bearer: string, path: string, body: unknown) {
    const request = new Request(`${API}/${path}`, {
      method: 'POST',
      headers: bearer.startsWith('sp_test') ? { 'X-API-Key': bearer } : { Authorization: `Bearer ${bearer}` },
      body: JSON.stringify(body),
    })
    const response = await api(request)
    const { error, approval, status } = await response.json()
    return { status: response.status, headers: response.headers, error, approval, decided: status }
  }
  /** Status, and error where there is one. */
  const short = ({ status, error }: { status: number; error?: string }) => (error ? [status, error] : status)

  const agentToken = (sub = 'alice', claims: AccessTokenClaims = {}) =>
    token(sub, { client_id: 'bot', claims: { act: { sub: 'bot' }, ...claims } })

  return {
    approvals,
    open,
    store,
    events,
    executed,
    now,
    keys,
    token,
    agentToken,
    send,
    advance: (seconds: number) => {
      time += seconds
    },
    /** What the agent is answered for a transfer. */
    run: async (args: unknown, more: { approval?: string; tool?: string; kind?: string; bearer?: string } = {}) => {
      const { bearer = await agentToken(), tool = 'transfer', ...rest } = more
      return send(bearer, 'run', { tool, args, ...rest })
    },
    /** What somebody is answered who decides. */
    decide: async (id: string, body: { approve: boolean; code?: string } = { approve: true }, bearer?: string) =>
      short(await send(bearer ?? (await token('alice')), `approvals/${encodeURIComponent(id)}`, body)),
    short,
  }
}

const call: Call = {
  tenant: 'acme',
  agent: 'bot',
  iss: LOGIN,
  sub: 'alice',
  tool: 'transfer',
  args: { amount: 82, to: 'bob' },
}
const input: ApprovalRequest = { ...call, kind: 'user' }
const code = (error: unknown) => (error as { code?: string }).code
/** What a call rejects with. */
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => code(error) ?? error,
  )

describe('a call that needs an approval', () => {
  it('[G-04][G-04 twin] is 403 with what was asked for, and runs once somebody has approved', async () => {
    const { run, decide, executed, short, events } = world()
    const asked = await run({ amount: 82 })
    expect(short(asked)).toEqual([403, 'approval_required'])
    expect(asked.approval).toEqual({
      id: expect.stringMatching(/^[\w-]{43}$/),
      code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
      digest: expect.stringMatching(/^[\w-]{43}$/),
      expiresAt: 1_790_000_300,
    })
    const { id } = asked.approval
    expect(short(await run({ amount: 82 }, { approval: id }))).toEqual([403, 'approval_required'])
    expect(executed).toEqual([])
    expect(await decide(id)).toBe(200)
    expect(short(await run({ amount: 82 }, { approval: id }))).toBe(200)
    expect(executed).toEqual([{ amount: 82 }])
    expect(events.map(({ type }) => type)).toEqual([
      'approval_requested',
      'approval_refused',
      'approval_refused',
      'approval_decided',
      'approval_consumed',
    ])
    // The id is at random, and may have any digits in it.
    expect(JSON.stringify(events).replaceAll(id, 'id')).not.toContain('82')
  })

  it('[G-04] is not run by an id that nobody has, or that is none', async () => {
    const { run, short, executed } = world()
    for (const approval of ['A'.repeat(43), '../x', 'a\u0000b', 'x'.repeat(5000)]) {
      const answer = await run({ amount: 82 }, { approval })
      expect([short(answer), answer.approval]).toEqual([[403, 'approval_required'], undefined])
    }
    expect(executed).toEqual([])
  })

  it('[A-56][G-05] is another one when anything of it is, and the approval is spoilt', async () => {
    const changes: Array<[args: unknown, more?: { tool: string }]> = [
      [{ amount: 820_000, to: 'bob' }],
      [{ amount: 82_000, to: 'mallory' }],
      [{ amount: '82000', to: 'bob' }],
      [{ amount: 82_000, to: 'bob', memo: '' }],
      [{ amount: 82_000 }],
      [null],
      [{ amount: 82_000, to: 'bob' }, { tool: 'transfer_all' }],
    ]
    for (const [args, more] of changes) {
      const { run, decide, executed, short, approvals } = world()
      const { id } = (await run({ amount: 82_000, to: 'bob' })).approval
      await decide(id)
      expect(short(await run(args, { approval: id, ...more }))).toEqual([403, 'approval_mismatch'])
      expect(short(await run({ amount: 82_000, to: 'bob' }, { approval: id }))).toEqual([403, 'approval_void'])
      expect((await approvals.get(id, { tenant: 'acme' }))?.status).toBe('void')
      expect(executed).toEqual([])
    }
  })

  it('[A-56][G-05] is no other tenant’s, agent’s or person’s, and knowing an id spoils nothing', async () => {
    const { run, decide, executed, short, token, agentToken } = world()
    const args = { amount: 82 }
    const { id } = (await run(args)).approval
    await decide(id)
    for (const [bearer, answer] of [
      [await agentToken('bob'), 'approval_mismatch'],
      [await token('alice', { client_id: 'bot-2', claims: { act: { sub: 'bot-2' } } }), 'approval_mismatch'],
      [await agentToken('alice', { tenant: 'globex' }), 'approval_required'],
    ] as const)
      expect(short(await run(args, { approval: id, bearer }))).toEqual([403, answer])
    expect(executed).toEqual([])
    expect(short(await run(args, { approval: id }))).toBe(200)
  })

  it('[A-56 twin][G-05 twin] runs when it is the same, however it is written', async () => {
    const { run, decide, executed, short } = world()
    const { id } = (await run({ amount: 82, to: { name: 'bob', bank: 'x' } })).approval
    await decide(id)
    expect(short(await run({ to: { bank: 'x', name: 'bob' }, amount: 82.0 }, { approval: id }))).toBe(200)
    expect(executed).toHaveLength(1)
  })

  it('[G-06][G-06 twin][A-57] is made once of a thousand times at once', async () => {
    const { approvals, open, decide, events } = world()
    const { id } = await approvals.request(input)
    await decide(id)
    const sides = [approvals, open(), open()]
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, (_, at) => refusal(sides[at % 3]?.consume(id, call) ?? Promise.reject())),
    )
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'approval_used')).toHaveLength(999)
    expect(events.filter(({ type }) => type === 'approval_consumed')).toHaveLength(1)
  })

  it('[G-06] is 409 the second time', async () => {
    const { run, decide, short, executed } = world()
    const { id } = (await run({ amount: 82 })).approval
    await decide(id)
    expect(short(await run({ amount: 82 }, { approval: id }))).toBe(200)
    expect(short(await run({ amount: 82 }, { approval: id }))).toEqual([409, 'approval_used'])
    expect(executed).toHaveLength(1)
  })

  it('[A-58][A-58 twin][G-07][G-07 twin] has to be decided and made in time', async () => {
    const { run, decide, short, executed, advance, approvals } = world()
    const late = (await run({ amount: 1 })).approval
    advance(299)
    const inTime = (await run({ amount: 2 })).approval
    expect(await decide(late.id)).toBe(200)
    advance(1)
    expect(short(await run({ amount: 1 }, { approval: late.id }))).toEqual([403, 'approval_expired'])
    advance(298)
    expect(await decide(inTime.id)).toBe(200)
    expect(short(await run({ amount: 2 }, { approval: inTime.id }))).toBe(200)
    const third = (await run({ amount: 3 })).approval
    advance(300)
    expect(await decide(third.id)).toEqual([403, 'approval_expired'])
    expect(await decide(third.id, { approve: false })).toEqual([403, 'approval_expired'])
    expect(executed).toEqual([{ amount: 2 }])
    // A day later it is still known why; then it is gone.
    advance(DAY - 1)
    expect((await approvals.get(third.id, { tenant: 'acme' }))?.status).toBe('expired')
    expect(short(await run({ amount: 2 }, { approval: inTime.id }))).toEqual([403, 'approval_required'])
    advance(2)
    expect(await approvals.get(third.id, { tenant: 'acme' })).toBeUndefined()
  })

  it('[A-58] that was looked at in time and is used later has expired', async () => {
    const { approvals, decide, advance } = world()
    const { id } = await approvals.request(input)
    await decide(id)
    const verified = await approvals.verify(id, call)
    advance(300)
    expect(await refusal(verified.consume())).toBe('approval_expired')
  })

  it('is refused for good when somebody said no', async () => {
    const { run, decide, short } = world()
    const { id } = (await run({ amount: 82 })).approval
    expect(await decide(id, { approve: false })).toBe(200)
    expect(await decide(id)).toEqual([409, 'approval_decided'])
    expect(short(await run({ amount: 82 }, { approval: id }))).toEqual([403, 'approval_denied'])
  })

  it('that is no plain data, or more than a person can read, is 400 and asks nobody', async () => {
    const { approvals, run, short, events } = world()
    for (const args of [{ at: new Date(0) }, { n: Number.NaN }, JSON.parse('{"__proto__":{}}'), undefined])
      expect(await refusal(approvals.request({ ...input, args }))).toBe('call_invalid')
    for (const odd of [{ tool: '' }, { tool: 'x'.repeat(201) }, { resource: 'a\nb' }, { sub: '' }])
      expect(await refusal(approvals.request({ ...input, ...odd }))).toBe('call_invalid')
    expect(short(await run({ text: 'x'.repeat(40_000) }))).toEqual([400, 'call_invalid'])
    expect(events).toEqual([])
    expect(await refusal(approvals.request({ ...input, resource: 'account/1', args: 'x'.repeat(32_000) }))).toBe('done')
  })

  it('takes one round trip to look at, and one to use up', async () => {
    const { approvals, decide, store } = world()
    const { id } = await approvals.request(input)
    await decide(id)
    const get = vi.spyOn(store, 'get')
    const write = vi.spyOn(store, 'write')
    const { consume } = await approvals.verify(id, call)
    expect([get.mock.calls.length, write.mock.calls.length]).toEqual([1, 0])
    await consume()
    expect([get.mock.calls.length, write.mock.calls.length]).toEqual([1, 1])
  })
})

describe('deciding', () => {
  it('[A-59][G-08] is nothing for programs, whatever they may otherwise', async () => {
    const { approvals, token, agentToken, keys, decide, events, store } = world()
    const scopes = ['admin:approve']
    const { key: own } = await keys.create({ tenant: 'acme', owner: 'alice', name: 'a', scopes: ['admin:approve'] })
    for (const kind of ['user', 'admin'] as const) {
      const { id } = await approvals.request({ ...input, kind })
      for (const [who, bearer] of Object.entries({
        'the agent for the person': await agentToken(),
        'the agent with every scope': await token('alice', {
          client_id: 'bot',
          scopes,
          claims: { act: { sub: 'bot' } },
        }),
        'another agent': await token('carol', { client_id: 'bot-2', scopes, claims: { act: { sub: 'bot-2' } } }),
        'the agent as itself': await token('bot', { client_id: 'bot', scopes }),
        'a program as itself': await token('job', { client_id: 'job', scopes }),
        'the agent’s client, without saying so': await token('alice', { client_id: 'bot', scopes }),
        'a key of the person': own,
      }))
        for (const approve of [true, false])
          expect(await decide(id, { approve }, bearer), who).toEqual([403, 'approver_refused'])
      expect((await approvals.get(id, { tenant: 'acme' }))?.status).toBe('pending')
    }
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'approval_refused', code: 'approver_refused', tenant: 'acme', by: 'alice' }),
    )
    // A principal that says so itself, without any claim.
    const by = { method: 'agent_token', iss: LOGIN, sub: 'alice', tenant: 'acme', scopes, claims: {} } as const
    const { id } = await approvals.request(input)
    const get = vi.spyOn(store, 'get')
    expect(await refusal(approvals.decide(id, { by, approve: true }))).toBe('approver_refused')
    expect(get).not.toHaveBeenCalled()
  })

  it('[A-59][A-59 twin][G-08 twin] is for the person concerned, and for administrators who did not ask', async () => {
    const { approvals, token, decide } = world()
    const admin = ['admin:approve']
    const mine = await approvals.request(input)
    const theirs = await approvals.request({ ...input, kind: 'admin' })
    expect(await decide(mine.id, { approve: true }, await token('bob', { scopes: admin }))).toEqual([
      403,
      'approver_refused',
    ])
    // Alice may administrate, and it is her own agent that asks.
    expect(await decide(theirs.id, { approve: true }, await token('alice', { scopes: admin }))).toEqual([
      403,
      'approver_refused',
    ])
    expect(await decide(theirs.id, { approve: true }, await token('bob'))).toEqual([403, 'approver_refused'])
    expect(await decide(mine.id)).toBe(200)
    expect(await decide(theirs.id, { approve: true }, await token('bob', { scopes: admin }))).toBe(200)
    expect(await approvals.get(theirs.id, { tenant: 'acme' })).toMatchObject({
      status: 'approved',
      decidedBy: 'bob',
      decidedAt: 1_790_000_000,
    })
  })

  it('asks approvers of one’s own, who may take their time; one that fails has not said yes', async () => {
    const onCall = new Set<string>()
    const approvers = {
      admin: async ({ tool }: Approval, by: { sub: string }) => {
        if (tool === 'broken') throw new Error('rota out of reach')
        return onCall.has(by.sub)
      },
    }
    const { approvals, token, decide } = world({ approvers })
    const { id } = await approvals.request({ ...input, kind: 'admin' })
    expect(await decide(id, { approve: true }, await token('bob'))).toEqual([403, 'approver_refused'])
    onCall.add('bob')
    expect(await decide(id, { approve: true }, await token('bob'))).toBe(200)
    const broken = await approvals.request({ ...input, tool: 'broken', kind: 'admin' })
    await expect(decide(broken.id, { approve: true }, await token('bob'))).rejects.toThrow('rota')
    expect((await approvals.get(broken.id, { tenant: 'acme' }))?.status).toBe('pending')
  })

  it('knows no other tenant’s', async () => {
    const { approvals, token, decide } = world()
    const { id } = await approvals.request(input)
    for (const other of [id, 'A'.repeat(43), '..%2Fx', 'a\nb'])
      expect(await decide(other, { approve: true }, await token('alice', { claims: { tenant: 'globex' } }))).toEqual([
        404,
        'approval_not_found',
      ])
    expect(await approvals.get(id, { tenant: 'globex' })).toBeUndefined()
    expect(await approvals.pending({ tenant: 'globex' })).toEqual({ items: [] })
    expect(await approvals.voidAll({ tenant: 'globex', agent: 'bot' })).toBe(0)
    const { claims, ...nowhere } = { method: 'access_token', iss: LOGIN, sub: 'alice', scopes: [], claims: {} } as const
    expect(await refusal(approvals.decide(id, { by: { ...nowhere, claims }, approve: true }))).toBe(
      'approval_not_found',
    )
  })

  it('has one winner, whoever decides at once', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { approvals, open, events } = world({ approvers: { user: () => true } })
      const { id } = await approvals.request(input)
      const sides = [approvals, open()]
      const by = (sub: string) =>
        ({ method: 'session_cookie', iss: LOGIN, sub, tenant: 'acme', scopes: [], claims: {} }) as const
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, at) =>
          refusal(sides[at % 2]?.decide(id, { by: by(`p${at}`), approve: at % 3 > 0 }) ?? Promise.reject()),
        ),
      )
      expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'approval_decided')).toHaveLength(39)
      expect(events.filter(({ type }) => type === 'approval_decided')).toHaveLength(1)
    }
  })

  it('wants the sign-in that the request demands, and says what would do; saying no wants none', async () => {
    const { approvals, token, decide, send } = world()
    const strict = { ...input, freshWithin: 60, acr: ['phr', 'phrh'] }
    const { id } = await approvals.request(strict)
    const at = 1_790_000_000
    for (const claims of [
      {},
      { auth_time: at - 61, acr: 'phr' },
      { auth_time: at, acr: 'pwd' },
      { acr: 'nothing' },
      // [J-22] of the future
      { auth_time: at + 31, acr: 'phr' },
    ]) {
      const bearer = await token('alice', { claims })
      const answer = await send(bearer, `approvals/${id}`, { approve: true })
      expect([answer.status, answer.error]).toEqual([401, 'insufficient_user_authentication'])
      expect(answer.headers.get('www-authenticate')).toBe(
        'Bearer error="insufficient_user_authentication", acr_values="phr phrh", max_age="60"',
      )
    }
    expect(
      await decide(id, { approve: true }, await token('alice', { claims: { auth_time: at - 60, acr: 'phr' } })),
    ).toBe(200)
    const second = await approvals.request({ ...strict, args: 2 })
    expect(await decide(second.id, { approve: false }, await token('alice', { claims: { auth_time: 1 } }))).toBe(200)
  })

  it('compares the code that somebody has typed, whatever stands between its letters', async () => {
    const { approvals, decide } = world()
    const { id, code: shown } = await approvals.request(input)
    const other = shown.startsWith('B') ? `C${shown.slice(1)}` : `B${shown.slice(1)}`
    expect(await decide(id, { approve: true, code: other })).toEqual([403, 'approval_mismatch'])
    expect((await approvals.get(id, { tenant: 'acme' }))?.status).toBe('pending')
    expect(await decide(id, { approve: true, code: ` ${shown.toLowerCase().replace('-', '')}` })).toBe(200)
  })
})

describe('asking', () => {
  it('[A-61] for two things is two questions', async () => {
    const { approvals, decide } = world()
    const first = await approvals.request(input)
    const second = await approvals.request({ ...input, args: { amount: 83, to: 'bob' } })
    await decide(first.id)
    expect((await approvals.get(first.id, { tenant: 'acme' }))?.status).toBe('approved')
    expect((await approvals.get(second.id, { tenant: 'acme' }))?.status).toBe('pending')
    expect(await refusal(approvals.consume(second.id, { ...call, args: { amount: 83, to: 'bob' } }))).toBe(
      'approval_required',
    )
  })

  it('for ever other things leaves twenty that wait, whoever asks at once, and one more for each that is decided', async () => {
    const told: unknown[] = []
    const { approvals, open, decide, advance, now, events } = world({ notify: ({ args }) => void told.push(args) })
    const sides = [approvals, open(), open()]
    const ask = (args: number, more: Partial<ApprovalRequest> = {}) =>
      refusal(sides[args % 3]?.request({ ...input, ...more, args }) ?? Promise.reject())
    const pending = async () =>
      (await approvals.pending({ tenant: 'acme', agent: 'bot', iss: LOGIN, sub: 'alice' })).items
    const outcomes = await Promise.all(Array.from({ length: 200 }, (_, args) => ask(args)))
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(20)
    expect(outcomes.filter((outcome) => outcome === 'approvals_exceeded')).toHaveLength(180)
    expect(await pending()).toHaveLength(20)
    expect(told).toHaveLength(20)
    expect(events.at(-1)).toEqual({
      type: 'approval_refused',
      code: 'approvals_exceeded',
      tenant: 'acme',
      agent: 'bot',
    })
    // Who waits already is told so, and others are not held up.
    expect(await ask(Number(told[0]))).toBe('done')
    expect(await ask(1000, { sub: 'bob' })).toBe('done')
    expect(await ask(1000, { agent: 'other' })).toBe('done')
    const refused = agentAnswer(await approvals.request({ ...input, args: 1000 }).catch((error) => error), { now })
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '300'])
    const [first, second] = await pending()
    expect(await decide(`${first?.id}`)).toBe(200)
    expect(await decide(`${second?.id}`, { approve: false })).toBe(200)
    expect([await ask(1001), await ask(1002), await ask(1003)]).toEqual(['done', 'done', 'approvals_exceeded'])
    advance(300)
    expect(await ask(1003)).toBe('done')
  })

  it('for the same thing again while it waits bothers nobody twice', async () => {
    const told: string[] = []
    const { approvals, open, decide, advance } = world({ notify: ({ id }) => void told.push(id) })
    const sides = [approvals, open()]
    const asked = await Promise.all(Array.from({ length: 50 }, (_, at) => sides[at % 2]?.request(input)))
    const [first] = asked
    for (const one of asked) expect(one).toEqual(first)
    expect(told).toEqual([first?.id])
    // Something else, somebody else, and other demands are other questions.
    for (const other of [
      { kind: 'admin' },
      { freshWithin: 60 },
      { acr: ['phr'] },
      { sub: 'bob' },
      { args: 1 },
    ] as const)
      expect((await approvals.request({ ...input, ...other })).id).not.toBe(first?.id)
    // Decided, used, or over: then it is asked anew.
    await decide(`${first?.id}`)
    const second = await approvals.request(input)
    expect(second.id).not.toBe(first?.id)
    advance(300)
    expect((await approvals.request(input)).id).not.toBe(second.id)
  })

  it('shows whoever is told the exact call; a message that fails loses nothing', async () => {
    const told: Approval[] = []
    const { approvals, events } = world({
      notify: (approval) => {
        told.push(approval)
        throw new Error('mail server down')
      },
    })
    const { id, code: shown, digest } = await approvals.request({ ...input, resource: 'account/1' })
    expect(told[0]).toMatchObject({ ...input, resource: 'account/1', id, code: shown, digest, status: 'pending' })
    expect(told[0]?.call).toBe(
      '{"agent":"bot","args":{"amount":82,"to":"bob"},"iss":"https://login.example.com","resource":"account/1","sub":"alice","tenant":"acme","tool":"transfer"}',
    )
    expect(events.at(-1)).toEqual({ type: 'approval_unnotified', id, tenant: 'acme' })
    expect(await approvals.get(id, { tenant: 'acme' })).toEqual(told[0])
  })

  it('is undone by no change of the arguments afterwards', async () => {
    const { approvals, decide } = world()
    const args = { amount: 82, to: { name: 'bob' } }
    const { id } = await approvals.request({ ...input, args })
    await decide(id)
    const used = await approvals.consume(id, { ...call, args })
    args.to.name = 'mallory'
    expect(used.args).toEqual({ amount: 82, to: { name: 'bob' } })
  })

  it('lists what waits: of a tenant, a person, an agent, a kind; a page at a time', async () => {
    const { approvals, decide, advance } = world()
    const made = new Map<string, string>()
    for (const [at, sub] of ['alice', 'bob', 'alice', 'carol', 'alice'].entries()) {
      advance(1)
      const kind = at === 4 ? 'admin' : 'user'
      const agent = at === 3 ? 'other' : 'bot'
      made.set(`${at}`, (await approvals.request({ ...input, agent, sub, kind, args: at })).id)
    }
    await decide(`${made.get('0')}`)
    const args = async (of: Parameters<typeof approvals.pending>[0]) =>
      (await approvals.pending(of)).items.map((one) => one.args)
    expect(await args({ tenant: 'acme' })).toEqual([1, 2, 3, 4])
    expect(await args({ tenant: 'acme', iss: LOGIN, sub: 'alice' })).toEqual([2, 4])
    expect(await args({ tenant: 'acme', agent: 'bot' })).toEqual([1, 2, 4])
    expect(await args({ tenant: 'acme', agent: 'bot', iss: LOGIN, sub: 'bob' })).toEqual([1])
    expect(await args({ tenant: 'acme', kind: 'admin' })).toEqual([4])
    const all: unknown[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await approvals.pending({ tenant: 'acme', limit: 2, ...(cursor !== undefined && { cursor }) })
      all.push(...page.items.map((one) => one.args))
      cursor = page.cursor
      if (cursor === undefined) break
    }
    expect(all.sort()).toEqual([1, 2, 3, 4])
  })
})

describe('taking back', () => {
  it('ends what waits and what is approved, of one agent; nothing else', async () => {
    const { approvals, decide, run, short, events } = world()
    const pending = await approvals.request({ ...input, args: 1 })
    const approved = await approvals.request({ ...input, args: 2 })
    const used = await approvals.request({ ...input, args: 3 })
    const other = await approvals.request({ ...input, agent: 'other' })
    await decide(approved.id)
    await decide(used.id)
    await approvals.consume(used.id, { ...call, args: 3 })
    expect(await approvals.voidAll({ tenant: 'acme', agent: 'bot' })).toBe(2)
    expect(await decide(pending.id)).toEqual([403, 'approval_void'])
    expect(short(await run(2, { approval: approved.id }))).toEqual([403, 'approval_void'])
    expect((await approvals.get(used.id, { tenant: 'acme' }))?.status).toBe('consumed')
    expect(await decide(other.id)).toBe(200)
    expect(events.filter(({ type }) => type === 'approval_voided')).toHaveLength(2)
    expect(await approvals.voidAll({ tenant: 'acme', agent: 'bot' })).toBe(0)
    expect(await approvals.voidAll({ tenant: 'acme', iss: LOGIN, sub: 'alice' })).toBe(1)
  })

  it('holds while people decide and agents use: what is not used by then is void', async () => {
    const by = { method: 'session_cookie', iss: LOGIN, sub: 'alice', tenant: 'acme', scopes: [], claims: {} } as const
    const soon = async () => {
      for (let left = Math.random() * 12; left > 0; left--) await undefined
    }
    const seen = { void: 0, consumed: 0 }
    for (let turn = 0; turn < 10; turn++) {
      const { approvals, open } = world({ maxPending: 60 })
      const side = open()
      const made = await Promise.all(Array.from({ length: 60 }, (_, at) => approvals.request({ ...input, args: at })))
      await Promise.all(made.map(({ id }, at) => at % 2 && approvals.decide(id, { by, approve: true })))
      let used = 0
      const use = async (id: string, args: number) => {
        await soon()
        await side.consume(id, { ...call, args })
        used++
      }
      const decide = async (id: string) => {
        await soon()
        await side.decide(id, { by, approve: true })
      }
      const racing = made.flatMap(({ id }, at) => [refusal(use(id, at)), refusal(decide(id)), refusal(use(id, at))])
      await soon()
      const ended = await approvals.voidAll({ tenant: 'acme', agent: 'bot' })
      await Promise.all(racing)
      const all = await Promise.all(made.map(({ id }) => approvals.get(id, { tenant: 'acme' })))
      const count = (status: string) => all.filter((one) => one?.status === status).length
      expect([count('void'), count('consumed')]).toEqual([ended, used])
      expect(ended + used).toBe(60)
      seen.void += ended
      seen.consumed += used
    }
    // Both have won now and then, or nothing was raced.
    expect(Math.min(seen.void, seen.consumed)).toBeGreaterThan(0)
  })

  it('catches a request that is being written', async () => {
    const { approvals, store } = world()
    const write = store.write.bind(store)
    // As where the entry of a list is written before the record: it is there, the record is not yet.
    const spy = vi.spyOn(store, 'write').mockImplementationOnce(async (changes) => {
      const ids = changes.slice(0, 1).flatMap(({ id }) => [{ ...id, id: 'gone' }, id])
      const list = vi.spyOn(store, 'list').mockImplementation(async () => ({ ids }))
      spy.mockRestore()
      expect(await approvals.voidAll({ tenant: 'acme', agent: 'bot' })).toBe(0)
      list.mockRestore()
      return write(changes)
    })
    expect(await refusal(approvals.request(input))).toBe('approval_void')
    expect(await approvals.pending({ tenant: 'acme' })).toEqual({ items: [] })
    expect(await refusal(approvals.request(input))).toBe('done')
  })
})

describe('a store that cannot be asked', () => {
  it('is 503, nothing is executed, and nothing is lost by it', async () => {
    const { run, decide, store, executed, approvals, short } = world()
    const { id } = (await run({ amount: 82 })).approval
    await decide(id)
    for (const method of ['get', 'write'] as const) {
      const spy = vi.spyOn(store, method).mockRejectedValue(new StoreError())
      const answer = await run({ amount: 82 }, { approval: id })
      expect([short(answer), answer.headers.get('retry-after')]).toEqual([[503, 'store_unavailable'], '5'])
      spy.mockRestore()
    }
    expect(executed).toEqual([])
    expect((await approvals.get(id, { tenant: 'acme' }))?.status).toBe('approved')
    expect(short(await run({ amount: 82 }, { approval: id }))).toBe(200)
  })

  it('has perhaps used it up when it fails late: it is not used again', async () => {
    const { run, decide, store, executed, short } = world()
    const { id } = (await run({ amount: 82 })).approval
    await decide(id)
    const write = store.write.bind(store)
    vi.spyOn(store, 'write').mockImplementationOnce(async (changes) => {
      await write(changes)
      throw new StoreError()
    })
    expect(short(await run({ amount: 82 }, { approval: id }))).toEqual([503, 'store_unavailable'])
    expect(short(await run({ amount: 82 }, { approval: id }))).toEqual([409, 'approval_used'])
    expect(executed).toEqual([])
  })
})

describe('createApprovals', () => {
  it('says at once what is wrong with its options', async () => {
    const store = memoryStore()
    for (const [options, option] of [
      [{}, 'store'],
      [{ store, ttl: 0 }, 'ttl'],
      [{ store, ttl: DAY + 1 }, 'ttl'],
      [{ store, ttl: Number.NaN }, 'ttl'],
      [{ store, maxPending: 0 }, 'maxPending'],
      [{ store, maxPending: Number.NaN }, 'maxPending'],
    ] as const)
      expect(() => createApprovals(options as ApprovalsOptions)).toThrow(`"${option}"`)
    const approvals = createApprovals({ store })
    await expect(approvals.request({ ...input, kind: 'nobody' as 'user' })).rejects.toThrow('"kind"')
    await expect(approvals.request({ ...input, freshWithin: -1 })).rejects.toThrow('"freshWithin"')
    const by = { method: 'session_cookie', iss: LOGIN, sub: 'alice', tenant: 'acme', scopes: [], claims: {} } as const
    for (const approve of ['false', 1, undefined])
      await expect(approvals.decide('x', { by, approve: approve as unknown as boolean })).rejects.toThrow('"approve"')
  })

  it('hands errors that are not its own back to the caller', () => {
    expect(() => agentAnswer(new RangeError('mine'))).toThrow('mine')
  })
})
