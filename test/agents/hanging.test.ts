import { exportJWK, generateKeyPair } from 'jose'
import { type AgentEvent, createAgents, createApprovals, createAudit, createTokenEndpoint } from 'sallyport/agents'
import { createGuard } from 'sallyport/guard'
import type { KeyRingEvent } from 'sallyport/key-ring'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryStore } from 'sallyport/store'
import { createTokenIssuer, type TokenIssuerOptions } from 'sallyport/tokens'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ringWorld } from '../key-ring/ring-world.js'

const API = 'https://api.example.com'
const hangs = () => new Promise<never>(() => {})
const fails = () => Promise.reject(new Error('the words of somebody else'))
/** What cannot answer: for ever, or with an error. */
const troubles = [
  ['hangs', hangs],
  ['fails', fails],
  [
    'throws at once',
    () => {
      throw new Error('the words of somebody else')
    },
  ],
] as const

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** What work comes to when so many seconds have passed; `waits` when it is not over by then. */
async function comesTo<Result>(seconds: number, work: Promise<Result>): Promise<Result | 'waits'> {
  let come: Result | 'waits' = 'waits'
  let gone: unknown
  work.then(
    (result) => {
      come = result
    },
    (error) => {
      gone = error
    },
  )
  await vi.advanceTimersByTimeAsync(seconds * 1000)
  // What is computed beside has no timers.
  const end = Date.now() + 2000
  while (come === 'waits' && gone === undefined && Date.now() < end) await new Promise(setImmediate)
  if (gone !== undefined) throw gone
  return come
}

describe.each(troubles)('a part of others that %s', (_name, trouble) => {
  it('[G-23] as keep() of the audit trail costs nobody a row, and is told', async () => {
    const events: AgentEvent[] = []
    const onEvent = (event: AgentEvent) => void events.push(event)
    const audit = createAudit({ store: memoryStore(), keep: trouble, checkpointEvery: 1, onEvent })
    const entry = { tenant: 'acme', sub: 'alice', action: 'x', decision: 'allowed' } as const
    expect(await comesTo(6, audit.append(entry))).toMatchObject({ seq: 1 })
    expect(events).toEqual([{ type: 'checkpoint_failed', tenant: 'acme', seq: 1 }])
  })

  it('[G-23] as notify() of approvals leaves them to be found, and is told', async () => {
    const events: AgentEvent[] = []
    const onEvent = (event: AgentEvent) => void events.push(event)
    const approvals = createApprovals({ store: memoryStore(), notify: trouble, onEvent })
    const input = {
      tenant: 'acme',
      agent: 'bot',
      iss: 'https://login.example.com',
      sub: 'alice',
      tool: 'mail',
      args: {},
      kind: 'user',
    } as const
    const asked = await comesTo(6, approvals.request(input))
    expect(asked).toMatchObject({ id: expect.any(String) })
    expect(events.at(-1)).toMatchObject({ type: 'approval_unnotified', tenant: 'acme' })
    expect((await approvals.pending({ tenant: 'acme' })).items).toHaveLength(1)
  })

  it('[G-23] as isOwnerActive() or decide() is 503 in time, and lets nobody in', async () => {
    const store = memoryStore()
    const options = { store, prefix: 'test_key', scopes: ['notes:read'] } as const
    const { key } = await createApiKeys(options).create({ tenant: 'acme', owner: 'o', name: 'n', scopes: [] })
    const ask = () => new Request(`${API}/notes`, { headers: { 'X-API-Key': key } })
    const keys = createApiKeys({ ...options, isOwnerActive: trouble })
    const answer = await comesTo(6, createGuard({ resource: API, accept: [apiKey(keys)] })(ask()))
    expect(answer).toMatchObject({ ok: false, response: { status: 503 } })
    const decided = createGuard({ resource: API, accept: [apiKey(createApiKeys(options))], decide: trouble })
    expect(await comesTo(6, decided(ask(), { action: { name: 'x' } }))).toMatchObject({
      ok: false,
      response: { status: 503 },
    })
  })

  it.each(['create', 'test', 'list', 'revoke'] as const)(
    '[G-23] as %s of one tenant’s provider keeps no other tenant from rotating, and is told',
    async (step) => {
      const { vault, open, advance, provider, events } = ringWorld()
      const broken = { now: false }
      const down = (about: { tenant?: string }) => broken.now && about.tenant === 'a'
      const theirs = {
        create: (key: { tenant?: string; name: string }) =>
          step === 'create' && down(key) ? trouble() : provider.create(key),
        test: (secret: string, about: { tenant?: string }) =>
          step === 'test' && down(about) ? trouble() : provider.test(secret, about),
        list: (about: { tenant?: string }) => (step === 'list' && down(about) ? trouble() : provider.list(about)),
        revoke: (key: { tenant?: string; id: string; name: string }) =>
          step === 'revoke' && down(key) ? trouble() : provider.revoke(key),
      }
      const ring = open({ vault, provider: theirs, tenants: 'separate', overlap: 1 })
      for (const tenant of ['a', 'b', 'c']) await ring.rotate({ tenant })
      const before = await ring.status({ tenant: 'b' })
      broken.now = true
      advance(31 * 86_400)
      const turns = async () => {
        await ring.step().catch(() => {})
        advance(121)
        await ring.step().catch(() => {})
        return 'over'
      }
      events.length = 0
      expect(await comesTo(130, turns())).toBe('over')
      for (const tenant of ['b', 'c']) {
        const { keys } = await ring.status({ tenant })
        expect(keys).toHaveLength(1)
        expect(keys[0]).toMatchObject({ state: 'current' })
        expect(before.keys.map(({ name }) => name)).not.toContain(keys[0]?.name)
      }
      if (step !== 'list') {
        const stuck = events.filter(
          (event): event is KeyRingEvent & { step?: string } => event.type === 'provider_key_stuck',
        )
        expect(stuck.length).toBeGreaterThan(0)
        expect(new Set(stuck.map((event) => `${event.tenant} ${event.step}`))).toEqual(new Set([`a ${step}`]))
      }
      expect(JSON.stringify(events)).not.toContain('words of somebody')
    },
  )

  it('[G-23] as the vault is an error in time', async () => {
    const { open, vault } = ringWorld()
    const ring = open({ vault: { ...vault, read: trouble } })
    await expect(
      comesTo(
        11,
        ring.use({ tenant: 'acme' }, () => 'never'),
      ),
    ).rejects.toMatchObject({ code: 'key_ring_failed' })
  })

  it('[G-23] as a key function is an error in time, 503 at /jwks, and asked again', async () => {
    const { endpoint, state } = await issuing()
    state.give = trouble
    const first = await comesTo(6, endpoint())
    expect(first).toMatchObject({ status: 503 })
    expect((first as Response).headers.get('retry-after')).toBe('5')
    state.give = async () => state.keys[0]
    const second = (await endpoint()) as Response
    expect([second.status, second.headers.get('cache-control')]).toEqual([200, 'public, max-age=300'])
  })

  it('[G-23] once the key was there leaves the key in use, and nobody waits for it', async () => {
    const { tokens, state, advance, endpoint } = await issuing()
    const input = { sub: 'alice', client_id: 'cli', scopes: [] }
    await tokens.issue(input)
    state.give = trouble
    advance(301)
    expect(await comesTo(2, tokens.issue(input))).toMatchObject({ token_type: 'Bearer' })
    const asked = state.asked
    // It is not asked at every token.
    expect(await comesTo(0, tokens.issue(input))).toMatchObject({ token_type: 'Bearer' })
    expect(state.asked).toBe(asked)
    expect(await comesTo(0, endpoint())).toMatchObject({ status: 200 })
    await vi.advanceTimersByTimeAsync(6000)
    advance(11)
    state.give = async () => state.keys[1]
    await tokens.issue(input)
    expect(state.asked).toBe(asked + 1)
  })
})

/** An issuer with an endpoint, whose key comes from a function that a test may replace. */
async function issuing() {
  let time = 1_790_000_000
  const now = () => time
  const one = async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    return JSON.stringify(await exportJWK(privateKey))
  }
  const keys = [await one(), await one()] as const
  const state = { keys, asked: 0, give: async (): Promise<string> => keys[0] }
  const store = memoryStore({ now })
  const key = () => {
    state.asked++
    return state.give()
  }
  const issuer = 'https://agents.example.com'
  const options: TokenIssuerOptions = { issuer, audience: API, keys: [{ alg: 'ES256', key }], store, now }
  const tokens = createTokenIssuer(options)
  const { fetch } = createTokenEndpoint({ agents: createAgents({ tokens, store, now }), tokens, now })
  return {
    tokens,
    state,
    endpoint: () => fetch(new Request(`${issuer}/jwks`)),
    advance: (seconds: number) => {
      time += seconds
    },
  }
}

describe('a key that a function gives', () => {
  it('[G-23] is read again after five minutes, and the former verifies for as long as its tokens live', async () => {
    const { tokens, state, advance, endpoint } = await issuing()
    const input = { sub: 'alice', client_id: 'cli', scopes: [] }
    const kidOf = async () =>
      JSON.parse(atob((await tokens.issue(input)).access_token.split('.')[0] ?? '')).kid as string
    const kids = async () =>
      ((await (await endpoint()).json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
    const former = await kidOf()
    state.give = async () => state.keys[1]
    advance(299)
    expect(await kidOf()).toBe(former)
    advance(2)
    const fresh = await kidOf()
    expect(fresh).not.toBe(former)
    expect(await kids()).toEqual([fresh, former])
    advance(931)
    // Read twice: what has ended is looked at when keys are read.
    await kidOf()
    expect(await kids()).toEqual([fresh])
  })

  it('[G-23] of checkpoints is read again, too', async () => {
    const { state } = await issuing()
    let time = 1_790_000_000
    const audit = createAudit({ store: memoryStore(), sign: () => state.give(), now: () => time })
    const former = (await audit.publicKeys()).keys[0]?.['kid']
    state.give = async () => state.keys[1]
    expect((await audit.publicKeys()).keys[0]?.['kid']).toBe(former)
    time += 301
    expect((await audit.publicKeys()).keys[0]?.['kid']).not.toBe(former)
  })
})

describe('a vault that shows its secret a second later', () => {
  it('[G-23] is waited for, and its key is used', async () => {
    const { open, vault, secrets, advance, vendor, states, call } = ringWorld()
    const hidden = new Set<string>()
    const slow = {
      ...vault,
      read: async (name: string) => (hidden.has(name) ? undefined : secrets.get(name)),
      async write(name: string, secret: string) {
        secrets.set(name, secret)
        hidden.add(name)
      },
    }
    const ring = open({ vault: slow })
    await ring.step()
    expect(await states(ring)).toEqual(['testing'])
    advance(1)
    hidden.clear()
    await ring.step()
    expect(await states(ring)).toEqual(['current'])
    expect([await call(ring), vendor.keys.length]).toEqual(['key_0', 1])
  })

  it('[G-23] is not waited for longer than a minute: the key goes, and another one is made', async () => {
    const { open, vault, advance, vendor } = ringWorld()
    const ring = open({ vault: { ...vault, read: async () => undefined } })
    await ring.step()
    advance(61)
    await ring.step()
    expect(vendor.keys[0]?.live).toBe(false)
    expect(vendor.keys).toHaveLength(2)
  })
})
