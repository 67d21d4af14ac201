import { describe, expect, it, vi } from 'vitest'
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
  refresh,
  type Tab,
  type World,
} from '../../world.js'

const modes = ['token-mediating', 'proxy'] as const
const table = homes.flatMap(([home, open]) => modes.map((mode) => ({ home, open, mode })))

/** How the provider names the session that people have there. */
const dialects = [
  { dialect: 'with a sid', tamper: undefined },
  { dialect: 'without a sid', tamper: (claims: Record<string, unknown>) => ({ ...claims, sid: undefined }) },
]

describe.each(table)('one grant per browser session, with $home, $mode', ({ open, mode }) => {
  const proxied = mode === 'proxy'

  /** Alice, signed in at a provider like Keycloak. */
  async function world(options: Parameters<typeof open>[0] = {}, provider: Record<string, unknown> = {}) {
    let held: Promise<void> | undefined
    const here: World = await open(
      {
        mode,
        ...(proxied && { routes: { notes: { upstream: `${API}/v1`, resource: API, scope: 'notes:read' } } }),
        fetch: async (input, init) => {
          const request = new Request(input, init)
          if (new URL(request.url).origin !== ISSUER) return Response.json({ ok: true })
          const renewal = (await request.clone().text()).includes('grant_type=refresh_token')
          const response = await here.as.fetch(request)
          if (renewal) await held
          return response
        },
        ...options,
      },
      { grantPerSession: true, ...provider },
    )
    /** The answers to renewals arrive only after `release()`. */
    const holdRenewals = () => {
      let release = () => {}
      held = new Promise((resolve) => {
        release = resolve
      })
      return { release }
    }
    return { ...here, holdRenewals }
  }

  async function signIn(tab: Tab, fields: Record<string, string> = {}): Promise<void> {
    if (proxied) {
      await tab.navigate(`${APP}/bff/login?${new URLSearchParams(fields)}`)
      return
    }
    const begun = await begin(tab, fields)
    await redeem(tab, begun, await follow(tab, begun))
  }

  const who = async (tab: Tab) => (await bodyOf(await look(tab, '/session'))).user?.sub

  /** A call that needs a new access token. */
  const renew = (tab: Tab) =>
    proxied ? tab.fetch('/bff/api/notes/list', { headers: { 'Sallyport-CSRF': '1' } }) : refresh(tab)

  async function survives({ tab, as, advance }: World, sub: string, renewals = 10) {
    const before = as.grants.refresh_token
    for (let at = 0; at < renewals; at++) {
      advance(301)
      expect((await renew(tab)).status, `renewal ${at + 1}`).toBe(200)
    }
    expect(as.grants.refresh_token).toBe(before + renewals)
    expect(await who(tab)).toBe(sub)
  }

  const seconds = [
    { second: 'a step-up', fields: { max_age: '0' }, sub: 'alice' },
    { second: 'a step-up to more', fields: { acr_values: 'mfa' }, sub: 'alice' },
    { second: 'a second login()', fields: {}, sub: 'alice' },
    { second: 'a switch of account', fields: { prompt: 'select_account' }, sub: 'bob' },
  ]

  describe.each(dialects)('$dialect', ({ tamper }) => {
    it.each(seconds)('[B-42] $second survives the next ten renewals', async ({ fields, sub }) => {
      const here = await world()
      here.as.tamper.idToken = tamper && ((claims, header) => ({ header, claims: tamper(claims) }))
      await signIn(here.tab)
      here.advance(10)
      if (sub === 'bob') here.as.signIn('bob')
      await signIn(here.tab, fields)
      expect(await who(here.tab)).toBe(sub)
      await survives(here, sub)
      expect(here.as.requests.revocation).toBe(0)
    })

    it('[B-42] the sign-in of another user that a step-up refuses costs nothing', async () => {
      const here = await world()
      here.as.tamper.idToken = tamper && ((claims, header) => ({ header, claims: tamper(claims) }))
      await signIn(here.tab)
      here.as.signIn('bob')
      await signIn(here.tab, { max_age: '0' })
      await survives(here, 'alice')
      expect(here.as.requests.revocation).toBe(0)
    })

    it('[B-42] the end of a session that a browser has lost the cookie of costs nothing', async () => {
      const here = await world({ idleTimeout: 3600 })
      here.as.tamper.idToken = tamper && ((claims, header) => ({ header, claims: tamper(claims) }))
      await signIn(here.tab)
      const lost = here.browser.jar.header(`${APP}/`) ?? ''
      here.browser.jar.clear()
      for (let at = 0; at < 2; at++) {
        here.advance(2000)
        await signIn(here.tab)
      }
      const headers = { 'Sallyport-CSRF': '1', Cookie: lost }
      const found = await here.bff.fetch(new Request(`${APP}/bff/session`, { headers }))
      expect(await bodyOf(found)).toMatchObject({ user: null, reason: 'expired' })
      await survives(here, 'alice')
    })

    it('[B-42] a renewal that ends after another sign-in costs nothing', async () => {
      const here = await world()
      here.as.tamper.idToken = tamper && ((claims, header) => ({ header, claims: tamper(claims) }))
      await signIn(here.tab)
      here.advance(301)
      const { release } = here.holdRenewals()
      const late = renew(here.tab)
      await vi.waitFor(() => expect(here.as.grants.refresh_token).toBe(1))
      await signIn(here.tab)
      release()
      await late
      await survives(here, 'alice')
      expect(here.as.requests.revocation).toBe(0)
    })
  })

  it('[B-42 twin] sign-out revokes, and so it does with the result of a renewal under way', async () => {
    const here = await world()
    await signIn(here.tab)
    await signIn(here.tab, { max_age: '0' })
    here.advance(301)
    const { release } = here.holdRenewals()
    const late = renew(here.tab)
    await vi.waitFor(() => expect(here.as.grants.refresh_token).toBe(1))
    expect((await call(here.tab, '/logout')).status).toBe(200)
    expect(here.as.requests.revocation).toBe(1)
    release()
    expect((await late).status).toBeGreaterThanOrEqual(400)
    expect(here.as.requests.revocation).toBe(2)
    expect(await who(here.tab)).toBeUndefined()
  })

  it('[B-42 twin] a result of a renewal under way that cannot be revoked after a sign-out is an event', async () => {
    const here = await world()
    await signIn(here.tab)
    here.advance(301)
    const { release } = here.holdRenewals()
    const late = renew(here.tab)
    await vi.waitFor(() => expect(here.as.grants.refresh_token).toBe(1))
    await call(here.tab, '/logout')
    expect(here.eventTypes()).not.toContain('revocation_failed')
    here.as.fail('revocation', { status: 500 })
    release()
    await late
    expect(here.eventTypes()).toContain('revocation_failed')
  })

  it('[B-42 twin] the next sign-in after a sign-out has a grant of its own', async () => {
    const here = await world()
    await signIn(here.tab)
    await call(here.tab, '/logout')
    await signIn(here.tab)
    await survives(here, 'alice')
  })

  it('[B-42] a local sign-out revokes nothing, not even what comes of a renewal under way', async () => {
    const here = await world()
    await signIn(here.tab)
    here.advance(301)
    const { release } = here.holdRenewals()
    const late = renew(here.tab)
    await vi.waitFor(() => expect(here.as.grants.refresh_token).toBe(1))
    expect(await bodyOf(await call(here.tab, '/logout?local=true'))).toEqual({ location: null })
    release()
    await late
    expect(await who(here.tab)).toBeUndefined()
    expect(here.as.requests.revocation).toBe(0)
  })

  it('[B-42 twin] a refused sign-in at another session of the provider is revoked', async () => {
    const here = await world()
    await signIn(here.tab)
    here.as.signOut()
    here.as.signIn('bob')
    await signIn(here.tab, { max_age: '0' })
    expect(here.as.requests.revocation).toBe(1)
    await survives(here, 'alice')
  })
})
