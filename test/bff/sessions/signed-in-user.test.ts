import { sessionCookie } from 'sallyport/bff'
import { createGuard } from 'sallyport/guard'
import { describe, expect, it } from 'vitest'
import {
  API,
  APP,
  begin,
  bodyOf,
  call,
  follow,
  homes,
  ISSUER,
  look,
  redeem,
  signIn,
  type Tab,
  type World,
  type WorldOptions,
} from '../../world.js'

/** What any implementation makes of the two: SHA-256 of their JSON. */
async function digestOf(iss: string, sub: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify([iss, sub])))
  return btoa(String.fromCharCode(...new Uint8Array(digest))).replace(
    /[+/=]/g,
    (one) => ({ '+': '-', '/': '_' })[one] ?? '',
  )
}

const alice = await digestOf(ISSUER, 'alice')
const bob = await digestOf(ISSUER, 'bob')
/** Whom a page may believe to be here while Alice is. */
const others = {
  'another person': bob,
  'the same subject at another issuer': await digestOf('https://login.example.org', 'alice'),
  'a subject that carries the seam': await digestOf(`${ISSUER} alice`, ''),
  'nobody that could be': 'alice',
  nothing: '',
}

describe.each(homes)('whom a page believes to be signed in, with %s', (home, open) => {
  /** Alice, signed in at a backend in proxy mode; `seen` is what reaches its APIs. */
  async function world(options: WorldOptions = {}) {
    const seen: Request[] = []
    const here: World = await open({
      mode: 'proxy',
      routes: {
        notes: { upstream: `${API}/v1` },
        events: { upstream: `${API}/events`, sse: true, websocket: true },
        open: { upstream: `${API}/open`, anonymous: true },
      },
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (request.url.startsWith(ISSUER)) return here.as.fetch(request)
        seen.push(request)
        return Response.json({ ok: true })
      },
      ...options,
    })
    await here.tab.navigate(`${APP}/bff/login`)
    return { ...here, seen }
  }
  const ask = (tab: Tab, path: string, user?: string, init: RequestInit = {}) =>
    tab.fetch(`/bff${path}`, {
      ...init,
      headers: { 'Sallyport-CSRF': '1', ...(user !== undefined && { 'Sallyport-User': user }), ...init.headers },
    })

  it.each(Object.entries(others))('[P-15] refuses a call for %s, and sends nothing on', async (_, user) => {
    const { tab, seen, browser, as } = await world()
    const before = browser.jar.header(`${APP}/`)
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const response = await ask(tab, '/api/notes/x', user, { method })
      expect(response.status, method).toBe(409)
      expect(response.headers.has('retry-after')).toBe(false)
      expect(response.headers.getSetCookie()).toEqual([])
      if (method !== 'HEAD') expect((await bodyOf(response)).error).toBe('user_changed')
    }
    expect(seen).toEqual([])
    expect(as.grants.refresh_token ?? 0).toBe(0)
    expect(browser.jar.header(`${APP}/`)).toBe(before)
  })

  it('[P-15 twin] sends on what is for whoever is here, or says nothing of it, as older pages do', async () => {
    const { tab, seen } = await world()
    for (const user of [alice, undefined]) expect((await ask(tab, '/api/notes/x', user)).status).toBe(200)
    expect(seen.map(({ url }) => url)).toEqual([`${API}/v1/x`, `${API}/v1/x`])
    for (const { headers } of seen) expect([...headers.keys()].join()).not.toContain('sallyport')
  })

  it('asks nobody who it is for: streams, sockets and what is nobody’s', async () => {
    const { tab, seen, bff, browser } = await world()
    const Cookie = browser.jar.header(`${APP}/`) ?? ''
    const own = { 'Sec-Fetch-Site': 'same-origin', Cookie }
    expect((await bff.fetch(new Request(`${APP}/bff/api/events/x`, { headers: own }))).status).toBe(200)
    expect((await ask(tab, '/api/open/x', bob)).status).toBe(200)
    expect(seen).toHaveLength(2)
    const handshake = { Origin: APP, Upgrade: 'websocket', Connection: 'Upgrade', ...own }
    const upgrade = await bff.authorizeUpgrade(new Request(`${APP}/bff/api/events/x`, { headers: handshake }))
    expect(upgrade?.type).toBe('accepted')
    if (upgrade?.type === 'accepted') upgrade.over()
  })

  it('is named to the page the same way everywhere', async () => {
    const { tab, bff, browser } = await world()
    const Cookie = browser.jar.header(`${APP}/`) ?? ''
    const rendered = await bff.getSession(new Request(`${APP}/`, { headers: { Cookie } }))
    const answers = [await bodyOf(await look(tab, '/session')), await bodyOf(await call(tab, '/session')), rendered]
    for (const answer of answers) expect(answer).toMatchObject({ user: { sub: 'alice' }, user_digest: alice })
    const page = await open()
    expect((await bodyOf(await signIn(page.tab))).user_digest).toBe(alice)
    expect((await bodyOf(await call(page.tab, '/session'))).user_digest).toBe(alice)
  })

  it('may be said by pages of allowed origins: the preflight lets it pass', async () => {
    const origin = 'https://admin.example.com'
    const { bff } = await world({ allowedOrigins: [origin] })
    const headers = { Origin: origin, 'Access-Control-Request-Method': 'GET' }
    const preflight = new Request(`${APP}/bff/api/notes/x`, { method: 'OPTIONS', headers })
    const allowed = (await bff.fetch(preflight)).headers.get('access-control-allow-headers')
    expect(allowed?.split(', ')).toContain('Sallyport-User')
  })

  it('[P-15][P-15 twin] counts before the guard of an API on this origin as well', async () => {
    const { bff, browser, now } = await world()
    const protect = createGuard({ resource: `${APP}/orders`, accept: [sessionCookie(bff)], now })
    const Cookie = browser.jar.header(`${APP}/`) ?? ''
    const asking = async (user?: string) => {
      const headers = { Cookie, 'Sallyport-CSRF': '1', ...(user !== undefined && { 'Sallyport-User': user }) }
      const outcome = await protect(new Request(`${APP}/orders`, { headers }))
      return outcome.ok ? 'ok' : [outcome.response.status, (await bodyOf(outcome.response)).error]
    }
    expect(await asking(bob)).toEqual([409, 'user_changed'])
    expect([await asking(alice), await asking()]).toEqual(['ok', 'ok'])
  })

  it.runIf(home === 'a store')('[P-15][P-15 twin] counts where their devices are listed and ended', async () => {
    const { tab } = await world()
    const { items: sessions } = await bodyOf(await ask(tab, '/sessions', alice))
    expect(sessions).toHaveLength(1)
    const path = `/sessions/${sessions[0].id}`
    expect((await ask(tab, '/sessions', bob)).status).toBe(409)
    expect((await ask(tab, path, bob, { method: 'DELETE' })).status).toBe(409)
    expect((await bodyOf(await look(tab, '/session'))).user).toMatchObject({ sub: 'alice' })
    expect((await ask(tab, path, alice, { method: 'DELETE' })).status).toBe(200)
  })

  const demands = [{ max_age: '0' }, { acr_values: 'mfa' }]

  it.each(demands)('[C-25] is who has to sign in when an API wants more (%o): nobody else', async (demand) => {
    const { tab, as } = await open()
    await signIn(tab)
    const begun = await begin(tab, demand)
    as.signIn('bob')
    const response = await redeem(tab, begun, await follow(tab, begun))
    expect([response.status, (await bodyOf(response)).error]).toEqual([400, 'subject_mismatch'])
    expect(await bodyOf(await call(tab, '/session'))).toMatchObject({ user: { sub: 'alice' }, token: {} })
    // What the provider gave for bob is of no use to anybody.
    expect(as.requests.revocation).toBe(1)
  })

  it.each(demands)('[C-25 twin] has a new session when they do (%o)', async (demand) => {
    const { tab } = await open()
    await signIn(tab)
    expect(await bodyOf(await signIn(tab, demand))).toMatchObject({ user_digest: alice })
  })

  it('[C-25 twin] may be another user where nothing was demanded of them, or nobody was here', async () => {
    const { tab, as, browser } = await open()
    await signIn(tab)
    as.signIn('bob')
    expect(await bodyOf(await signIn(tab))).toMatchObject({ user_digest: bob })
    browser.jar.clear()
    as.signIn('alice')
    expect(await bodyOf(await signIn(tab, { max_age: '0' }))).toMatchObject({ user_digest: alice })
  })
})
