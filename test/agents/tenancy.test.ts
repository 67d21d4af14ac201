import fc from 'fast-check'
import { agentAnswer, tenantOf } from 'sallyport/agents'
import { createGuard } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'

const who = (tenant: string | undefined, sub = 'alice', iss?: string) => ({
  method: 'access_token' as const,
  sub,
  scopes: [],
  claims: {},
  ...(tenant !== undefined && { tenant }),
  ...(iss !== undefined && { iss }),
})

describe('what belongs to a tenant', () => {
  it('[A-65] has names that no other tenant’s share, whatever is in them', () => {
    const pairs = [
      ['a/b', 'c'],
      ['a', 'b/c'],
      ['a%2Fb', 'c'],
      ['a', 'b%2Fc'],
      ['.', 'c'],
      ['..', 'c'],
      ['%2E', 'c'],
      ['~.', 'c'],
      ['...', 'c'],
      ['a', '..'],
      ['a', '../b'],
    ] as const
    const names = pairs.map(([tenant, id]) => tenantOf(who(tenant)).conversation(id))
    expect(new Set(names).size).toBe(pairs.length)
    for (const name of names) {
      expect(name.split('/')).toHaveLength(4)
      // No part leads elsewhere: as a path or in a URL it stays where it is.
      expect(new URL(name, 'https://x.example/').pathname).toBe(`/${name}`)
    }
    expect(tenantOf(who('acme')).conversation('42')).toBe('t/acme/conversation/42')
    const part = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        const same = tenantOf(who(a)).retrieval(b) === tenantOf(who(c)).retrieval(d)
        expect(same).toBe(a === c && b === d)
      }),
      { numRuns: 500 },
    )
  })

  it('has names that say what they are for', () => {
    const mine = tenantOf(who('acme'))
    expect([mine.conversation('x'), mine.fineTune('x'), mine.retrieval('x')]).toEqual([
      't/acme/conversation/x',
      't/acme/fine-tune/x',
      't/acme/retrieval/x',
    ])
    for (const odd of ['', '\ud800', undefined, 7]) expect(() => mine.conversation(odd as string)).toThrow(TypeError)
    expect(() => Object.assign(mine, { tenant: 'globex' })).toThrow(TypeError)
  })

  it('[A-65] is decided by the credential, whatever the body says', async () => {
    const keys = createApiKeys({ store: memoryStore(), prefix: 'sp_test', scopes: ['data:read'] })
    const protect = createGuard({ resource: 'https://api.example.com', accept: [apiKey(keys)] })
    const { key } = await keys.create({ tenant: 'acme', owner: 'alice', name: 'a', scopes: ['data:read'] })
    const answer = protect.handler({}, async (request, principal) => {
      const { id } = await request.json()
      return Response.json(tenantOf(principal).conversation(id))
    })
    const response = await answer(
      new Request('https://api.example.com/?tenant=globex', {
        method: 'POST',
        headers: { 'X-API-Key': key, 'X-Tenant': 'globex' },
        body: JSON.stringify({ id: '42', tenant: 'globex' }),
      }),
    )
    expect(await response.json()).toBe('t/acme/conversation/42')
  })

  it('is nothing for who has no tenant: 403', async () => {
    for (const tenant of [undefined, '']) {
      const answer = (() => {
        try {
          return tenantOf(who(tenant))
        } catch (error) {
          return agentAnswer(error)
        }
      })()
      expect(answer).toMatchObject({ status: 403 })
      expect(await (answer as Response).json()).toMatchObject({ error: 'tenant_missing' })
    }
  })

  it('[A-66] shares no cached answer with another tenant’s, nor with another person’s unless that is said', async () => {
    const asked = { model: 'gpt-mini', prompt: [{ role: 'user', content: 'What do I earn?' }] }
    const key = (of: object, tenant = 'acme', sub = 'alice', iss?: string) =>
      tenantOf(who(tenant, sub, iss)).cacheKey({ ...asked, ...of })
    const plain = await key({})
    expect(plain).toMatch(/^t\/acme\/cache\/[\w-]{43}$/)
    expect(await key({})).toBe(plain)
    const others = await Promise.all([
      key({}, 'globex'),
      key({}, 'acme', 'bob'),
      key({}, 'acme', 'alice', 'https://other.example.com'),
      key({ model: 'gpt-pro' }),
      key({ prompt: 'What do I earn?' }),
      key({ parameters: { temperature: 1 } }),
      key({ shared: true }),
      key({ shared: true }, 'globex'),
    ])
    expect(new Set([plain, ...others]).size).toBe(9)
    expect(await key({ shared: true }, 'acme', 'bob')).toBe(await key({ shared: true }))
    expect(await key({ prompt: { a: 1, b: 2 } })).toBe(await key({ prompt: { b: 2, a: 1 } }))
    await expect(key({ prompt: new Date(0) })).rejects.toThrow(TypeError)
  })
})
