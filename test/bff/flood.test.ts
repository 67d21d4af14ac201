import { memoryStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { dearer, stranger, watched } from '../flood.js'
import { APP, ISSUER, look, signIn, stored, type Tab, type World, world } from '../world.js'

const PUBLIC = '203.0.113.7'
const full = !!process.env['FULL']

/** What the default admits of one address in a minute. */
const ADMITTED = 1000

const sid = () => `/frontchannel-logout?iss=${encodeURIComponent(ISSUER)}&sid=${crypto.randomUUID()}`

describe('a flood of anonymous requests', () => {
  it.each(['token-mediating', 'proxy'] as const)(
    '[B-35] of every kind leaves no more than the limits admit, for 15 minutes at most (%s)',
    async (mode) => {
      const watching = watched(memoryStore({ now: () => here.now() }))
      const here: World = await world({ mode, store: watching.store })
      await signInTo(here, mode)
      const calls = async () => {
        for (let at = 0; at < 100; at++) expect((await look(here.tab, '/session')).status).toBe(200)
      }
      await calls()
      watching.written.clear()
      const { flood } = stranger(here.bff, PUBLIC, mode)
      const ratio = await dearer(calls, () => flood(100), full ? 20 : 1)
      if (full) expect(ratio).toBeLessThan(1.5)
      expect(watching.written.size).toBeGreaterThan(0)
      expect(watching.written.size).toBeLessThanOrEqual(ADMITTED)
      for (const [name, ttl] of watching.written) expect(ttl, name).toBeLessThanOrEqual(900)
      here.advance(901)
      for (const name of watching.written.keys()) {
        const [kind = '', partition = '', id = ''] = name.split(' ')
        expect(await watching.store.get({ kind, partition, id })).toBeUndefined()
      }
    },
    120_000,
  )

  it.each([0, 150, 151, 86_400])(
    '[B-35][B-35 twin] of sign-ins leaves nothing for longer than 15 minutes with a clockTolerance of %d, and one use each',
    async (clockTolerance) => {
      const watching = watched(memoryStore({ now: () => here.now() }))
      const here: World = await world({ store: watching.store, clockTolerance })
      const { flood } = stranger(here.bff, PUBLIC, 'token-mediating')
      await flood(20)
      expect(watching.written.size).toBeGreaterThan(0)
      for (const [name, ttl] of watching.written) expect(ttl, name).toBeLessThanOrEqual(900)
      expect((await signIn(here.tab)).status).toBe(200)
    },
  )

  it('[B-35][B-35 twin] is stopped at the limit of its address; others, and who is signed in there, are not', async () => {
    const here = await stored({ mode: 'proxy' })
    await here.tab.navigate(`${APP}/bff/login`)
    const { send } = stranger(here.bff, PUBLIC, 'proxy')
    const statuses = new Set<number>()
    for (let at = 0; at < ADMITTED; at++) statuses.add((await send(sid())).status)
    expect([...statuses]).toEqual([200])
    const refused = await send(sid())
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, 60])
    expect((await send('/login')).status).toBe(429)
    // With a session, from the same address; and somebody else from another.
    const Cookie = here.browser.jar.header(`${APP}/`) ?? ''
    expect((await send('/login', { headers: { Cookie } })).status).toBe(303)
    expect((await send('/login', { headers: { Cookie: '__Host-Http-sallyport=x' } })).status).toBe(429)
    expect((await stranger(here.bff, '203.0.113.8', 'proxy').send('/login')).status).toBe(303)
    // A page load costs nobody anything.
    expect((await send('/session', { headers: { 'Sallyport-CSRF': '1' } })).status).toBe(200)
    here.advance(60)
    expect((await send('/login')).status).toBe(303)
  })

  it('[B-35] from a network of IPv6 is one of that network', async () => {
    const here = await stored({ mode: 'proxy' })
    for (let at = 0; at < ADMITTED; at++)
      await stranger(here.bff, `2001:db8:1:2::${at.toString(16)}`, 'proxy').send(sid())
    expect((await stranger(here.bff, '2001:db8:1:2:ffff::1', 'proxy').send(sid())).status).toBe(429)
    expect((await stranger(here.bff, '2001:db8:1:3::1', 'proxy').send(sid())).status).toBe(200)
    expect(here.eventTypes()).not.toContain('address_limit_off')
  })

  it('[B-35 twin] is not what people who are signed in send: their calls use nothing up', async () => {
    const here = await world()
    await signInTo(here, 'token-mediating')
    const { send } = stranger(here.bff, PUBLIC, 'token-mediating')
    const refresh = () =>
      send('/token', {
        method: 'POST',
        headers: {
          'Sallyport-CSRF': '1',
          'Content-Type': 'application/x-www-form-urlencoded',
          Cookie: here.browser.jar.header(`${APP}/`) ?? '',
        },
        body: 'grant_type=refresh_token',
      })
    for (let at = 0; at < ADMITTED + 10; at++) expect((await refresh()).status).toBe(200)
    const nobody = { method: 'POST', headers: { 'Sallyport-CSRF': '1' } }
    expect((await send('/token', nobody)).status).toBe(400)
  })

  it('[B-35] refuses nobody of 500 people behind a proxy without a name, whoever floods from there', async () => {
    const here = await stored({ mode: 'proxy' })
    const { send } = stranger(here.bff, '10.0.0.1', 'proxy')
    for (let person = 0; person < 500; person++) {
      for (let at = 0; at < 2; at++) await send(sid())
      const begun = await send('/login', { headers: { 'X-Forwarded-For': `198.51.100.${person % 250}` } })
      expect(begun.status).toBe(303)
    }
    expect(here.eventTypes().filter((type) => type === 'address_limit_off')).toHaveLength(1)
    expect((await here.bff.describe()).limits.join()).toContain('trustedProxies')
  })
})

describe('trustedProxies', () => {
  const trusting = () => stored({ mode: 'proxy', trustedProxies: ['10.0.0.0/8', '2001:db8:ffff::/48'] })
  const knock = async (here: World, peer: string, forwarded?: string) =>
    (
      await stranger(here.bff, peer, 'proxy').send(sid(), {
        ...(forwarded !== undefined && { headers: { 'X-Forwarded-For': forwarded } }),
      })
    ).status

  it('[B-35] name whom to count: the last that is none of them, whatever a caller has written before', async () => {
    const here = await trusting()
    for (let at = 0; at < ADMITTED; at++)
      expect(await knock(here, '10.0.0.1', `1.2.3.${at % 250}, 192.168.1.5, 10.9.9.9`)).toBe(200)
    expect(await knock(here, '10.0.0.1', '192.168.1.5')).toBe(429)
    expect(await knock(here, '10.3.0.1', '8.8.8.8, 192.168.1.5:4711')).toBe(429)
    expect(await knock(here, '2001:db8:ffff::1', '192.168.1.5')).toBe(429)
    // Somebody else; and a stranger who writes the header himself.
    expect(await knock(here, '10.0.0.1', '192.168.1.6')).toBe(200)
    expect(await knock(here, '203.0.113.9', '192.168.1.5')).toBe(200)
    expect((await here.bff.describe()).limits.join()).not.toContain('trustedProxies')
  })

  it('[B-35 twin] that say nothing readable have nobody counted', async () => {
    const here = await trusting()
    for (const odd of [undefined, '', 'unknown', '_hidden', '10.1.1.1, 10.2.2.2', '1.2.3.4, for=1.2.3.4', '256.1.1.1'])
      for (let at = 0; at < 150; at++) expect(await knock(here, '10.0.0.1', odd)).toBe(200)
  })

  it.each(['everybody', '0.0.0.0/0', '10.0.0.0/33', ''])('are networks: %s is refused by name', async (network) => {
    await expect(world({ trustedProxies: [network] })).rejects.toThrow(/createBff: "trustedProxies"/)
  })
})

describe('rateLimits: false', () => {
  it('ends the default', async () => {
    const here = await stored({ mode: 'proxy', rateLimits: false })
    const { send } = stranger(here.bff, PUBLIC, 'proxy')
    for (let at = 0; at < ADMITTED + 10; at++) expect((await send(sid())).status).toBe(200)
    expect((await here.bff.describe()).rateLimits).toEqual([])
  })
})

async function signInTo({ tab }: { tab: Tab }, mode: string) {
  if (mode === 'proxy') await tab.navigate(`${APP}/bff/login`)
  else await signIn(tab)
}
