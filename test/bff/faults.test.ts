import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { toNodeListener } from 'sallyport/node'
import { describe, expect, it } from 'vitest'
import {
  API,
  APP,
  begin,
  bodyOf,
  follow,
  homes,
  ISSUER,
  look,
  redeem,
  refresh,
  signIn,
  stored,
  type Tab,
  type World,
  world,
} from '../world.js'

const SESSION = '__Host-Http-sallyport'
const who = async (tab: Tab) => bodyOf(await look(tab, '/session'))
const OTHER = 'https://other.example.com'

/** Asks a backend by hand, with exactly these cookies. */
const ask = (bff: World['bff'], path: string, cookie: string, method = 'POST', body?: string) =>
  bff.fetch(
    new Request(`${APP}/bff${path}`, {
      method,
      headers: {
        'Sallyport-CSRF': '1',
        Cookie: cookie,
        ...(body !== undefined && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      },
      ...(body !== undefined && { body }),
    }),
  )

describe.each(homes)('cookies, with %s', (_home, world) => {
  it('[F-32] of another name are none of ours, whoever set them', async () => {
    const { tab, browser, bff } = await world()
    await signIn(tab)
    const own = browser.jar.all().find(({ name }) => name === SESSION)?.value ?? ''
    for (const name of [
      'sallyport',
      '__Host-sallyport',
      '__Secure-sallyport',
      `${SESSION}x`,
      `x${SESSION}`,
      'Sallyport',
    ])
      expect((await bodyOf(await ask(bff, '/session', `${name}=${own}`))).user, name).toBeNull()
    // Beside ours, one that a sibling has set for the whole domain changes nothing.
    const header = browser.jar.header(`${APP}/`) ?? ''
    expect((await bodyOf(await ask(bff, '/session', `sallyport=${own}; ${header}; x=1`))).user.sub).toBe('alice')
  })

  it('[F-34] of a megabyte are refused before any work is done with them', async () => {
    const { bff } = await world()
    const begun = process.cpuUsage()
    for (let times = 0; times < 20; times++) {
      const answer = await ask(bff, '/session', `${SESSION}=${'a'.repeat(1_000_000)}..b.c.d; ${SESSION}.2=x`)
      expect(answer.status).toBe(200)
      expect((await bodyOf(answer)).user).toBeNull()
      expect(answer.headers.getSetCookie().join()).not.toContain('aaa')
    }
    // Seconds of processor, not of the clock: other work on the machine does not count.
    const { user, system } = process.cpuUsage(begun)
    expect((user + system) / 1e6).toBeLessThan(2)
  })

  it('[F-40][F-40 twin] of an error are set once each and with all attributes, as those of a success are', async () => {
    const { tab, browser, bff, advance, as } = await world()
    const lines = (response: Response) => {
      const all = response.headers.getSetCookie()
      expect(new Set(all.map((line) => line.split('=')[0])).size).toBe(all.length)
      for (const line of all) {
        expect(line).toMatch(/; Path=\/; HttpOnly; SameSite=(Strict|Lax); Secure(; Max-Age=\d+)?$/)
        expect(line).not.toContain('Domain')
      }
      return all.length
    }
    expect(lines(await signIn(tab))).toBeGreaterThan(0)
    const header = browser.jar.header(`${APP}/`) ?? ''
    const begun = await begin(tab)
    const callback = await follow(tab, begun)
    let errors = 0
    const failed = async (response: Response) => {
      expect(response.status).toBeGreaterThanOrEqual(400)
      errors += lines(response)
    }
    await failed(await redeem(tab, begun, callback, { code: 'another' }))
    await failed(await redeem(tab, begun, callback))
    await failed(await bff.fetch(new Request(`${APP}/bff/session`, { headers: { Cookie: header } })))
    for (const cookie of [`${SESSION}=x; ${SESSION}=y`, `${SESSION}=x; ${SESSION}.2=y; ${SESSION}.idle=z`])
      await failed(await ask(bff, '/token', cookie, 'POST', 'grant_type=refresh_token'))
    as.revoke('alice')
    advance(301)
    await failed(await refresh(tab))
    expect(errors).toBeGreaterThan(0)
  })

  it('[F-39 twin] in one header mean the user', async () => {
    const { tab, browser, bff } = await world()
    await signIn(tab)
    expect((await bodyOf(await ask(bff, '/session', browser.jar.header(`${APP}/`) ?? ''))).user.sub).toBe('alice')
  })

  it('[F-39] in two headers are read as one: the user again, and nobody when one name comes twice', async () => {
    const { tab, browser, bff } = await world()
    await signIn(tab)
    const cookies = (browser.jar.header(`${APP}/`) ?? '').split('; ')
    const server = createServer(toNodeListener(bff))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const [first = '', ...rest] = cookies
      expect(await over(server, [`x=1; ${first}`, ['y=2', ...rest].join('; ')])).toContain('"sub":"alice"')
      expect(await over(server, [`x=1; ${first}`, [...rest, first].join('; ')])).toContain('"user":null')
    } finally {
      server.close()
    }
  })
})

/** Writes a request with several `Cookie` lines to a socket, and reads all of the answer. */
function over(server: Server, cookies: readonly string[]): Promise<string> {
  const { port } = server.address() as AddressInfo
  const head = ['GET /bff/session HTTP/1.1', 'Host: app.example.com', 'Sallyport-CSRF: 1', 'Connection: close']
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () =>
      socket.write([...head, ...cookies.map((cookie) => `Cookie: ${cookie}`), '\r\n'].join('\r\n')),
    )
    socket.on('data', (data) => {
      text += data
    })
    socket.on('close', () => resolve(text)).on('error', reject)
  })
}

describe.each(homes)('a session, with %s', (home, world) => {
  it('[F-50] never outlives the provider’s own, whatever is done with it', async () => {
    const { tab, as, now, advance, browser } = await world()
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, session_expiry: now() + 1000 }, header })
    const { expires_at } = await bodyOf(await signIn(tab))
    expect(expires_at).toBe(now() + 1000)
    const cookie = browser.jar.all().find(({ name }) => name === SESSION)
    expect(cookie?.value).toBeTruthy()
    advance(990)
    expect((await refresh(tab)).status).toBe(200)
    expect((await who(tab)).expires_at).toBe(expires_at)
    advance(10)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'expired' })
  })

  it('[F-50 twin] ends at its own limits where the provider’s is later or not said', async () => {
    const { tab, as, now } = await world()
    for (const session_expiry of [now() + 1e9, undefined, 'soon', null]) {
      as.tamper.idToken = (claims, header) => ({ claims: { ...claims, session_expiry }, header })
      expect((await bodyOf(await signIn(tab))).expires_at).toBe(now() + 86_400)
    }
  })

  it('[F-31 twin] of another browser stays when somebody signs in here', async () => {
    const { tab, device, as } = await world()
    const phone = device()
    await signIn(phone)
    as.signIn('bob')
    await signIn(tab)
    expect((await who(phone)).user.sub).toBe('alice')
    expect(as.requests.revocation).toBe(0)
  })

  it('[F-60 twin] takes the newest refresh token, lifetime and scope that the provider gives', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    for (let times = 1; times <= 3; times++) {
      advance(301)
      const { scope, expires_in } = await bodyOf(await refresh(tab))
      expect(scope).toContain('notes:write')
      expect(expires_in).toBe(300)
      expect(as.grants.refresh_token).toBe(times)
    }
  })

  it('[F-47] loses nothing when two are renewed for different resources at once, in two places', async () => {
    const { tab, bff, another, browser, as } = await world()
    const scope = 'openid offline_access notes:read notes:write other:read'
    await signIn(tab, { scope, resource: [API, OTHER] })
    const second = home === 'a store' ? another() : bff
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    const form = (resource: string, wanted: string) =>
      `${new URLSearchParams({ grant_type: 'refresh_token', resource, scope: wanted })}`
    const questions = [form(API, 'notes:read'), form(OTHER, 'other:read')] as const
    const both = await Promise.all([
      ask(bff, '/token', cookie, 'POST', questions[0]),
      ask(second, '/token', cookie, 'POST', questions[1]),
    ])
    const tokens = await Promise.all(both.map(bodyOf))
    expect(tokens.map(({ scope: granted }) => granted)).toEqual(['notes:read', 'other:read'])
    expect(as.grants.refresh_token).toBe(2)
    const newest = both.flatMap((response) => response.headers.getSetCookie())
    for (const line of newest) browser.jar.set(`${APP}/`, line)
    // Neither write has undone the other: both tokens are there, in both places, and the provider is not asked again.
    for (const at of [bff, second])
      for (const [index, question] of questions.entries()) {
        const again = await ask(at, '/token', browser.jar.header(`${APP}/`) ?? '', 'POST', question)
        expect((await bodyOf(again)).access_token).toBe(tokens[index].access_token)
      }
    expect(as.grants.refresh_token).toBe(2)
  })

  it('[F-47 twin] keeps both when one is renewed after the other', async () => {
    const { tab, as } = await world()
    await signIn(tab, { scope: 'openid offline_access notes:read other:read', resource: [API, OTHER] })
    const first = await bodyOf(await refresh(tab, { resource: API, scope: 'notes:read' }))
    await refresh(tab, { resource: OTHER, scope: 'other:read' })
    expect((await bodyOf(await refresh(tab, { resource: API, scope: 'notes:read' }))).access_token).toBe(
      first.access_token,
    )
    expect(as.grants.refresh_token).toBe(2)
  })
})

describe('a refresh race between two processes with sealed cookies', () => {
  it('[F-66 twin] is over for who comes with the winner’s cookie', async () => {
    const { tab, advance, browser, another, as } = await world()
    await signIn(tab)
    advance(301)
    const second = another()
    expect((await refresh(tab)).status).toBe(200)
    advance(301)
    const newest = browser.jar.header(`${APP}/`) ?? ''
    expect((await ask(second, '/token', newest, 'POST', 'grant_type=refresh_token')).status).toBe(200)
    expect(as.grants.refresh_token).toBe(2)
  })
})

describe('ten thousand sessions of one user', () => {
  it('[F-74 twin] end without touching another user’s', async () => {
    const { tab, device, as, bff } = await stored()
    const bob = device()
    await signIn(tab)
    as.signIn('bob')
    await signIn(bob)
    expect(await bff.endSessions({ sub: 'alice' })).toBe(1)
    expect((await who(bob)).user.sub).toBe('bob')
    expect((await who(tab)).user).toBeNull()
  })
})

describe.each(homes)('the provider’s keys, with %s', (_home, world) => {
  it('[F-91] are fetched once for a flood of unknown ones, and the cached ones serve while they cannot be had', async () => {
    const { tab, as } = await world()
    await signIn(tab)
    const before = as.requests.jwks
    as.tamper.idToken = (claims, header) => ({ claims, header, signature: 'other-key' })
    for (let times = 0; times < 20; times++) expect((await signIn(tab)).status).toBeGreaterThanOrEqual(400)
    expect(as.requests.jwks - before).toBeLessThanOrEqual(1)
    as.tamper.idToken = undefined
    as.fail('jwks', { status: 500 })
    expect((await signIn(tab)).status).toBe(200)
  })

  it('[F-91 twin][F-92 twin] are fetched once for many who sign in', async () => {
    const { tab, as } = await world()
    for (let times = 0; times < 5; times++) expect((await signIn(tab)).status).toBe(200)
    expect(as.requests.jwks).toBe(1)
  })

  it('[F-92] may change: the first sign-in afterwards succeeds', async () => {
    const { tab, as, advance } = await world()
    await signIn(tab)
    advance(3600)
    await as.rotateKeys()
    expect((await signIn(tab)).status).toBe(200)
    expect(as.requests.jwks).toBe(2)
  })
})

describe.each(homes)('clocks, with %s', (_home, world) => {
  const provider = 1_790_000_000

  it.each([-60, 60])('[F-93 twin] may differ by %i s: people sign in, and stay', async (skew) => {
    const { tab } = await world({ now: () => provider + skew })
    expect((await signIn(tab)).status).toBe(200)
    expect((await refresh(tab)).status).toBe(200)
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it.each([
    [-600, 'iat'],
    [600, 'exp'],
  ])('[F-93] that differ by %i s are named: claim %s, and nobody is signed in', async (skew, claim) => {
    const { tab, events } = await world({ now: () => provider + skew })
    const response = await signIn(tab)
    expect(response.status).toBe(400)
    expect(await bodyOf(response)).toMatchObject({ error: 'id_token_invalid', claim })
    expect(events).toContainEqual({ type: 'id_token_refused', claim })
    expect((await who(tab)).user).toBeNull()
  })
})

describe.each(homes)('a provider that is not what it should be, with %s', (_home, world) => {
  it.each(['token_endpoint', 'authorization_endpoint', 'jwks_uri'])(
    '[F-98] is refused before any redirect when its %s is plain http',
    async (endpoint) => {
      const { tab, as, eventTypes } = await world()
      as.tamper.metadata = (metadata) => ({ ...metadata, [endpoint]: 'http://login.example.net/x' })
      const { response } = await begin(tab)
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(eventTypes()).toContain('operator_error')
    },
  )

  it('[F-100 twin] gives bearer tokens to a page that can use them', async () => {
    const { tab } = await world()
    expect((await bodyOf(await signIn(tab))).token_type).toBe('Bearer')
    expect(ISSUER).toMatch(/^https:/)
  })
})
