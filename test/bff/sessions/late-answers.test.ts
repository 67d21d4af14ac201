import { mockBrowser } from 'sallyport/testing'
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

/** Whatever comes to a closed gate goes on after `open()`. */
function createGate() {
  let waiting = 0
  let opened = Promise.resolve()
  let open = () => {}
  return {
    async pass() {
      waiting++
      await opened
    },
    close() {
      waiting = 0
      opened = new Promise((resolve) => {
        open = resolve
      })
    },
    /** Resolves when somebody waits. What comes later is not held. */
    async holds() {
      await vi.waitFor(() => expect(waiting).toBe(1))
      opened = Promise.resolve()
    },
    open: () => open(),
  }
}

describe.each(table)('an answer about the session before, with $home, $mode', ({ home, open, mode }) => {
  const proxied = mode === 'proxy'

  /** Alice has signed in. */
  async function world() {
    const [requests, renewals, api] = [createGate(), createGate(), createGate()]
    const refusals = { next: false }
    const here: World = await open({
      mode,
      idleTimeout: 3600,
      ...(proxied && { routes: { notes: { upstream: `${API}/v1`, resource: API, scope: 'notes:read' } } }),
      async fetch(input, init) {
        const request = new Request(input, init)
        if (new URL(request.url).origin !== ISSUER) {
          await api.pass()
          return Response.json({ ok: true })
        }
        if (!(await request.clone().text()).includes('grant_type=refresh_token')) return here.as.fetch(request)
        const refused = refusals.next && Response.json({ error: 'invalid_grant' }, { status: 400 })
        refusals.next = false
        const response = refused || (await here.as.fetch(request))
        await renewals.pass()
        return response
      },
    })
    const browser = mockBrowser({
      now: here.now,
      origins: {
        async [APP](request) {
          await requests.pass()
          return here.bff.fetch(request)
        },
        [ISSUER]: (request) => here.as.fetch(request),
      },
    })
    const tab = browser.newTab(`${APP}/`)
    await signIn(tab)
    return { ...here, browser, tab, requests, renewals, api, refusals }
  }
  type Here = Awaited<ReturnType<typeof world>>

  async function signIn(tab: Tab): Promise<void> {
    if (proxied) {
      await tab.navigate(`${APP}/bff/login`)
      return
    }
    const begun = await begin(tab)
    await redeem(tab, begun, await follow(tab, begun))
  }

  async function bobSignsIn({ as, browser }: Here): Promise<void> {
    as.signIn('bob')
    await signIn(browser.newTab(`${APP}/`))
  }

  async function bobStays({ tab, advance }: Here): Promise<void> {
    expect(await who(tab)).toBe('bob')
    advance(301)
    expect((await (proxied ? callApi : refresh)(tab)).status).toBe(200)
    expect(await who(tab)).toBe('bob')
  }

  const who = async (tab: Tab) => (await bodyOf(await look(tab, '/session?touch=false'))).user?.sub
  const callApi = (tab: Tab) => tab.fetch('/bff/api/notes/list', { headers: { 'Sallyport-CSRF': '1' } })

  const renewals: [string, (tab: Tab) => Promise<Response>][] = proxied
    ? [['an API call', callApi]]
    : [
        ['POST /token', (tab) => refresh(tab)],
        ['POST /session', (tab) => call(tab, '/session')],
      ]
  const reads: [string, (tab: Tab) => Promise<Response>][] = [
    ...renewals.filter(([name]) => name !== 'POST /session'),
    ['POST /session', (tab) => call(tab, '/session')],
    ['GET /session', (tab) => look(tab, '/session')],
  ]

  describe.each(renewals)('%s', (_name, renew) => {
    it.each([
      ['succeeds', false],
      ['is refused', true],
    ])('[B-42] touches no cookie of the next session: a renewal that %s', async (_how, refused) => {
      const here = await world()
      // Long enough for a new cookie of the last use.
      here.advance(601)
      here.renewals.close()
      here.refusals.next = refused
      const late = renew(here.tab)
      await here.renewals.holds()
      await bobSignsIn(here)
      here.renewals.open()
      await late
      await bobStays(here)
    })

    it.runIf(home === 'a store')(
      '[B-42] touches no cookie of the next session: the one before was revoked',
      async () => {
        const here = await world()
        here.advance(301)
        here.renewals.close()
        const late = renew(here.tab)
        await here.renewals.holds()
        expect(await here.bff.endSessions({ sub: 'alice' })).toBe(1)
        expect(await who(here.tab)).toBeUndefined()
        await bobSignsIn(here)
        here.renewals.open()
        await late
        await bobStays(here)
      },
    )
  })

  it.each(reads)('[B-42] touches no cookie of the next session: %s on its way meanwhile', async (_name, ask) => {
    const here = await world()
    here.requests.close()
    const late = ask(here.tab)
    await here.requests.holds()
    await bobSignsIn(here)
    here.requests.open()
    await late
    await bobStays(here)
  })

  it.runIf(proxied || home === 'a store').each(reads)(
    '[B-42] touches no cookie of the next session: %s about a session that was revoked before',
    async (_name, ask) => {
      const here = await world()
      if (home === 'a store') await here.bff.endSessions({ sub: 'alice' })
      else {
        here.advance(301)
        here.refusals.next = true
        await callApi(here.tab)
      }
      here.requests.close()
      const late = ask(here.tab)
      await here.requests.holds()
      await bobSignsIn(here)
      here.requests.open()
      await late
      await bobStays(here)
    },
  )

  it.each(reads)('[B-42] touches no cookie of the next session: %s from before a sign-out', async (_name, ask) => {
    const here = await world()
    here.requests.close()
    const late = ask(here.tab)
    await here.requests.holds()
    expect((await call(here.tab, '/logout')).status).toBe(200)
    await bobSignsIn(here)
    here.requests.open()
    await late
    await bobStays(here)
  })

  it.runIf(proxied)('[B-42] touches no cookie of the next session: a slow answer of an API', async () => {
    const here = await world()
    here.advance(601)
    here.api.close()
    const late = callApi(here.tab)
    await here.api.holds()
    await bobSignsIn(here)
    here.api.open()
    expect((await late).status).toBe(200)
    await bobStays(here)
  })

  it('[B-42 twin] deletes the cookies of a session that it ends itself', async () => {
    const here = await world()
    here.refusals.next = true
    here.advance(301)
    expect((await (proxied ? callApi : refresh)(here.tab)).status).toBeGreaterThanOrEqual(400)
    // An API call leaves that to the page’s next question.
    if (proxied) expect(await bodyOf(await look(here.tab, '/session'))).toMatchObject({ reason: 'revoked' })
    expect(here.browser.jar.all()).toEqual([])
    await bobSignsIn(here)
    await bobStays(here)
  })
})
