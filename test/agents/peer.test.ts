import { type AgentEvent, createPeerCheck, signRequest } from 'sallyport/agents'
import { memoryStore, StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { type AgentKey, agentKey, assertion, scene } from './identity.js'

const X = 'https://x.example.com'
const Y = 'https://y.example.com'
const PATH = '/orders?dry=1'

/** An agent, and two others that it calls. */
async function peers() {
  const world = scene()
  const key = await agentKey()
  const { id } = await world.register({ key })
  const heard: AgentEvent[] = []
  const check = (audience: string) =>
    createPeerCheck({ audience, store: world.store, now: world.now, limit: 100, onEvent: (event) => heard.push(event) })
  const sides: Record<string, ReturnType<typeof check>> = { [X]: check(X), [Y]: check(Y) }
  return {
    ...world,
    id,
    key,
    heard,
    signed: (by: AgentKey = key, body: string | null = '{"count":1}', method = 'POST') =>
      signRequest(new Request(X + PATH, { method, body }), { agent: id, key: by.key, audience: X, now: world.now }),
    /** What one of them answers: the agent’s id, or a status. */
    async send(request: Request, to = X) {
      const outcome = await sides[to]?.(request)
      return outcome?.ok ? outcome.agent.id : outcome?.response.status
    },
  }
}
/** The same proof with something else around it. */
const around = (request: Request, url: string, init: RequestInit) =>
  new Request(url, { headers: request.headers, method: request.method, ...init })

describe('a request from one agent to another', () => {
  it('[A-67] is refused when it is replayed, to whom it was meant for or to another', async () => {
    const { signed, send, heard, id } = await peers()
    const request = await signed()
    const copies = [1, 2, 3].map(() => request.clone())
    expect(await send(around(request, Y + PATH, { body: '{"count":1}' }), Y)).toBe(401)
    const answers = await Promise.all(copies.map((copy) => send(copy)))
    expect(answers.filter((answer) => answer === id)).toHaveLength(1)
    expect(answers.filter((answer) => answer === 401)).toHaveLength(2)
    expect(heard.map((event) => 'detail' in event && event.detail)).toEqual(['aud', 'used', 'used'])
  })

  it.each([
    ['another body', X + PATH, { body: '{"count":1000}' }],
    ['no body', X + PATH, {}],
    ['another method', X + PATH, { method: 'PUT', body: '{"count":1}' }],
    ['another query', `${X}/orders?dry=0`, { body: '{"count":1}' }],
    ['another path', `${X}/payments?dry=1`, { body: '{"count":1}' }],
  ])('[A-67] is refused with %s, and the real one still serves', async (_, url, init) => {
    const { signed, send, id } = await peers()
    const request = await signed()
    expect(await send(around(request, url, init))).toBe(401)
    expect(await send(request)).toBe(id)
  })

  it('[A-67] is refused when it is old, signed by another key, or something else than a request', async () => {
    const { signed, send, advance, key, id, now } = await peers()
    const old = await signed()
    advance(91)
    expect(await send(old)).toBe(401)
    expect(await send(await signed(await agentKey()))).toBe(401)
    const login = await assertion(key, id, now(), { aud: X })
    expect(await send(new Request(X + PATH, { headers: { 'Sallyport-Agent': login } }))).toBe(401)
    expect(await send(new Request(X + PATH))).toBe(401)
  })

  it('[A-67][J-25] is refused when it was signed for another address, sent with that Host', async () => {
    const { key, id, now, send } = await peers()
    const request = new Request(`https://evil.example${PATH}`, { method: 'POST', body: '{}' })
    expect(await send(await signRequest(request, { agent: id, key: key.key, audience: X, now }))).toBe(401)
  })

  it('[A-67 twin][J-25 twin] is taken whatever Host a proxy has put there', async () => {
    const { signed, send, id, key, store, now } = await peers()
    const body = '{"count":1}'
    expect(await send(around(await signed(), `http://10.0.0.7:3000${PATH}`, { body }))).toBe(id)
    // An agent's id is no address: what is signed to it has to be told one.
    const inner = await signRequest(new Request(X + PATH), { agent: id, key: key.key, audience: 'agent_y', now })
    const check = createPeerCheck({ audience: 'agent_y', store, now, publicUrl: X })
    expect((await check(around(inner, `http://10.0.0.7:3000${PATH}`, {}))).ok).toBe(true)
  })

  it('[A-67 twin] is taken once, and its body can be read', async () => {
    const { signed, send, key, id, store, now } = await peers()
    expect(await send(await signed())).toBe(id)
    expect(await send(await signed(key, null, 'GET'))).toBe(id)
    const request = await signed()
    const outcome = await createPeerCheck({ audience: X, store, now })(request)
    expect(outcome.ok && new TextDecoder().decode(outcome.body)).toBe('{"count":1}')
    expect(await request.json()).toEqual({ count: 1 })
  })

  it('is taken behind a proxy by the address that the caller has seen', async () => {
    const { signed, store, now } = await peers()
    const request = await signed()
    const inner = around(request, `http://10.0.0.1:8080${PATH}`, { body: '{"count":1}' })
    const publicUrl = ({ url }: Request) => X + new URL(url).pathname + new URL(url).search
    expect((await createPeerCheck({ audience: X, store, now, publicUrl })(inner)).ok).toBe(true)
  })

  it('is refused from an agent that does not stand, in words that say nothing', async () => {
    const { signed, send, agents, id, store, now } = await peers()
    const stopped = await signed()
    await agents.stop({ tenant: 'acme' })
    expect(await send(stopped)).toBe(401)
    await agents.resume({ tenant: 'acme' })
    const ended = await signed()
    await agents.decommission(id, { tenant: 'acme', reason: 'done' })
    const outcome = await createPeerCheck({ audience: X, store, now })(ended)
    if (outcome.ok) throw new Error('accepted')
    expect(await outcome.response.json()).toEqual({
      error: 'invalid_agent_request',
      error_description: 'The signed request cannot be accepted here.',
    })
    expect(outcome.response.headers.get('www-authenticate')).toMatch(/^Sallyport-Agent error="invalid_agent_request"/)
  })

  it('is 413 with too large a body, and 503 while the store cannot be asked', async () => {
    const { signed, send, store, key } = await peers()
    expect(await send(await signed(key, 'x'.repeat(101)))).toBe(413)
    const request = await signed()
    vi.spyOn(store, 'get').mockRejectedValue(new StoreError())
    expect(await send(request)).toBe(503)
  })

  it('needs a private key to sign, an audience and a store to verify', async () => {
    const { publicKey } = await agentKey()
    for (const key of ['nonsense', JSON.stringify(publicKey)]) {
      const error = await signRequest(new Request(X), { agent: 'agent_a', key, audience: X }).catch((error) => error)
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).not.toContain(key)
    }
    const key = () => Promise.reject(new Error('the secret manager is down'))
    await expect(signRequest(new Request(X), { agent: 'agent_a', key, audience: X })).rejects.toThrow('is down')
    expect(() => createPeerCheck({ audience: '', store: memoryStore() })).toThrow('"audience"')
    expect(() => createPeerCheck({ audience: X } as never)).toThrow('"store"')
    expect(() => createPeerCheck({ audience: 'agent_y', store: memoryStore() })).toThrow('"publicUrl"')
  })
})
