import { generateKeyPairSync } from 'node:crypto'
import { accessToken, createGuard } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'
import { describe, expect, it } from 'vitest'
import { createKeyConsole } from '../../demo/server/keys.js'
import { createUsage } from '../../demo/server/usage.js'

const origin = 'http://localhost:1'
const resource = `${origin}/api`
const scopes = ['notes:read'] as const

/** The console of one demo, and what its processes share. */
async function world() {
  const [store, ledger] = [memoryStore(), memoryLedger()]
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = JSON.stringify({ ...privateKey.export({ format: 'jwk' }), alg: 'ES256' })
  const issuer = 'https://login.example.com'
  const login = createTokenIssuer({ issuer, audience: resource, keys: [{ alg: 'ES256', key }], store })
  const keys = createApiKeys({ store, ledger, prefix: 'demo_key', scopes })
  const people = accessToken({ issuer, algs: login.algs, keys: login.keys })
  const protect = createGuard({ resource, accept: [people, apiKey(keys)] })
  const open = () => createKeyConsole({ keys, scopes, protect, usage: createUsage('demo_key'), ledger })
  async function of(sub: string) {
    const claims = { auth_time: Math.floor(Date.now() / 1000), tenant: 'looking-glass' }
    const { access_token } = await login.issue({ sub, client_id: 'fieldnotes', scopes, claims })
    const ask = async (desk: ReturnType<typeof open>, method: string, path = '', body?: unknown) => {
      const headers = { Authorization: `Bearer ${access_token}`, 'Content-Type': 'application/json' }
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      const response = await desk.fetch(new Request(`${resource}/keys${path}`, { method, headers, ...sent }))
      const text = await response.text()
      return { status: response.status, body: text && JSON.parse(text) }
    }
    const create = (desk: ReturnType<typeof open>) =>
      ask(desk, 'POST', '', { name: 'one', scopes, expiresIn: 7 * 86_400 })
    return { ask, create }
  }
  return { open, of, keys }
}

describe('the keys of one user in the demo', () => {
  it('are twenty at most, however many are asked for at once, of two processes', async () => {
    const { open, of, keys } = await world()
    const { create, ask } = await of('alice')
    const [first, second] = [open(), open()]
    const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => create(at % 2 ? first : second)))
    const made = answers.filter(({ status }) => status === 201)
    expect([made.length, answers.filter(({ body }) => body.error === 'too_many_keys').length]).toEqual([20, 40])
    const working = (await keys.list({ tenant: 'looking-glass', owner: 'alice', limit: 100 })).items.filter(
      ({ revokedAt }) => revokedAt === undefined,
    )
    expect(working).toHaveLength(20)
    // Whoever asks on and on leaves nothing behind.
    const rows = async () => (await keys.list({ tenant: 'looking-glass', owner: 'alice', limit: 100 })).items.length
    const before = await rows()
    expect((await create(first)).status).toBe(409)
    expect(await rows()).toBe(before)
    // What is replaced keeps its place, and so does what replaces it.
    expect((await ask(first, 'POST', `/${made[0]?.body.id}/rotate`, { grace: 0 })).status).toBe(201)
    expect((await create(second)).status).toBe(409)
    const { create: asBob } = await of('bob')
    expect((await asBob(first)).status).toBe(201)
  })

  it('make room for others when they end', async () => {
    const { open, of } = await world()
    const { create, ask } = await of('alice')
    const desk = open()
    const made = await Promise.all(Array.from({ length: 20 }, () => create(desk)))
    for (const { body } of made.slice(0, 2)) expect((await ask(desk, 'DELETE', `/${body.id}`)).status).toBe(204)
    const more = await Promise.all([create(desk), create(desk), create(desk)])
    expect(more.map(({ status }) => status).sort()).toEqual([201, 201, 409])
  })
})
