import type { FetchOptions, SallyportError } from 'sallyport'
import { describe, expect, it } from 'vitest'
import { type Tab, type WorldOptions, world } from '../world.js'
import { APP, assigned, goTo, load, signedIn } from './page.js'
import { comeBack, popups } from './windows.js'

const insufficient = 'Bearer error="insufficient_user_authentication"'

/** An API that wants what `demand` says until a token was issued after `satisfied`. */
async function withApi(demand = `${insufficient}, acr_values="phr phrh", max_age="300"`, broken = '') {
  const { it, tab, auth } = await signedIn()
  auth.close()
  let first: string | undefined
  const windows = popups(it)
  const seen: string[] = []
  let satisfied = false
  const page = load(
    tab,
    {
      fetch: async (input, init) => {
        const request = new Request(input instanceof Request ? input : new URL(`${input}`, APP), init)
        if (broken && request.url === APP + broken) return new Response('<h1>Bad gateway</h1>', { status: 502 })
        if (request.url.startsWith(`${APP}/bff/`)) return tab.fetch(request.url, init)
        seen.push(await request.text())
        const token = request.headers.get('authorization')?.slice(7) ?? ''
        first ??= token
        // What this API holds against a token is how the person signed in for it.
        if (satisfied && token !== first) return new Response('done')
        return new Response('no', { status: 401, headers: { 'WWW-Authenticate': demand } })
      },
    },
    it,
  )
  await page.auth.ready()
  return {
    ...page,
    it,
    seen,
    windows,
    satisfy: () => {
      satisfied = true
    },
  }
}

describe('step-up', () => {
  it('[S-72] signs in as the API demands, in a popup, and sends the request once more', async () => {
    const { it, auth, seen, windows, satisfy } = await withApi()
    satisfy()
    it.as.signIn('alice')
    const calling = auth.fetch('/api/transfer', { method: 'POST', body: '100' }, { stepUp: 'popup' })
    const sent = new URL(await windows.sent()).searchParams
    expect([sent.get('acr_values'), sent.get('max_age')]).toEqual(['phr phrh', '300'])
    await comeBack(it, windows)
    expect(await (await calling).text()).toBe('done')
    expect(seen).toEqual(['100', '100'])
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    // Another token of the same sign-in would not have helped, and was not asked for.
    expect(it.as.grants.refresh_token ?? 0).toBe(0)
  })

  it('[S-72] ends in an error when the API wants yet another: no loop', async () => {
    const { it, auth, seen, windows } = await withApi()
    it.as.signIn('alice')
    const calling = auth.fetch('/api/x', {}, { stepUp: 'popup' })
    calling.catch(() => {})
    await comeBack(it, windows)
    await expect(calling).rejects.toMatchObject({
      code: 'step_up_failed',
      cause: { acr_values: 'phr phrh', max_age: 300 },
    })
    expect(seen).toHaveLength(2)
    expect(windows.opened).toHaveLength(1)
  })

  it.each([
    ['acr', { acr: 'weak' }],
    ['acr', { acr: undefined }],
    ['auth_time', { auth_time: 1_000_000_000 }],
    ['auth_time', { auth_time: undefined }],
  ])('[S-72][S-11] does not take the provider’s word: %s is verified by the backend (%o)', async (claim, mutation) => {
    const { it, auth, seen, windows, satisfy } = await withApi()
    satisfy()
    it.as.signIn('alice')
    it.as.tamper.idToken = (claims, header) => ({ claims: { ...claims, ...mutation }, header })
    const calling = auth.fetch('/api/x', {}, { stepUp: 'popup' })
    calling.catch(() => {})
    await comeBack(it, windows)
    await expect(calling).rejects.toMatchObject({ code: 'id_token_invalid', cause: { claim } })
    expect(seen).toHaveLength(1)
    expect(auth.session.status).toBe('signed-in')
  })

  it('leaves the page where that is asked for, and says so to the caller', async () => {
    const { auth, seen } = await withApi()
    await expect(auth.fetch('/api/x', {}, { stepUp: 'redirect' })).rejects.toMatchObject({ code: 'step_up_started' })
    expect(assigned).toHaveLength(1)
    expect(new URL(assigned[0] ?? '').searchParams.get('acr_values')).toBe('phr phrh')
    expect(seen).toHaveLength(1)
  })

  it('says why it cannot begin, instead of leaving', async () => {
    const { auth } = await withApi(undefined, '/bff/transaction')
    const calling = auth.fetch('/api/x', {}, { stepUp: 'redirect' })
    await expect(calling).rejects.toMatchObject({ code: 'login_unavailable', retryable: true })
    expect(assigned).toEqual([])
  })

  it('[S-72] goes on from the next click where the popup was blocked, and sends the request once more in all', async () => {
    const { it, auth, windows, seen, satisfy } = await withApi()
    windows.block()
    const blocked = (error: unknown) => error as SallyportError
    const first = await auth.fetch('/api/x', { method: 'POST', body: '100' }, { stepUp: 'popup' }).catch(blocked)
    expect(first).toMatchObject({ code: 'popup_blocked', retry: expect.any(Function) })
    expect(JSON.stringify(first)).not.toContain('"retry"')
    const { retry } = first as SallyportError
    // Not in a click either: there is a next one.
    expect(await retry?.().catch(blocked)).toMatchObject({ code: 'popup_blocked', retry })
    expect(seen).toEqual(['100'])
    windows.block(false)
    satisfy()
    it.as.signIn('alice')
    const both = [retry?.(), retry?.()]
    // In the click itself, and one window for two clicks.
    expect(windows.opened).toHaveLength(1)
    await comeBack(it, windows)
    const [answer, same] = await Promise.all(both)
    expect(await answer?.text()).toBe('done')
    expect(same).toBe(answer)
    expect(await retry?.()).toBe(answer)
    expect(seen).toEqual(['100', '100'])
  })

  it('[S-72] leaves the page where the popup is blocked, if that was asked for', async () => {
    const { auth, windows, seen } = await withApi()
    windows.block()
    const calling = auth.fetch('/api/x', {}, { stepUp: 'popup-or-redirect' })
    await expect(calling).rejects.toMatchObject({ code: 'step_up_started' })
    expect(assigned).toHaveLength(1)
    expect(seen).toHaveLength(1)
  })

  it('[S-72 twin] stays where it is not', async () => {
    const { it, auth, windows, seen, satisfy } = await withApi()
    satisfy()
    it.as.signIn('alice')
    const calling = auth.fetch('/api/x', {}, { stepUp: 'popup-or-redirect' })
    await comeBack(it, windows)
    expect(await (await calling).text()).toBe('done')
    expect([seen.length, assigned.length]).toEqual([2, 0])
  })

  it('knows no other way than those, and says so', async () => {
    const { auth } = await withApi()
    const wrong = { stepUp: 'window' } as unknown as FetchOptions
    await expect(auth.fetch('/api/x', {}, wrong)).rejects.toThrow(/"stepUp" is one of popup/)
  })

  it('says that the popup was blocked or closed', async () => {
    const { auth, windows, seen } = await withApi()
    windows.block()
    await expect(auth.fetch('/api/x', {}, { stepUp: 'popup' })).rejects.toMatchObject({ code: 'popup_blocked' })
    expect(seen).toHaveLength(1)
  })

  it.each([{}, { stepUp: 'never' as const }])(
    'hands the answer to a caller who did not ask for it: %o',
    async (how) => {
      const { auth, seen, windows, asked } = await withApi()
      const response = await auth.fetch('/api/x', {}, how)
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('acr')])
      expect([seen.length, windows.opened.length]).toEqual([1, 0])
      expect(asked).toEqual([])
    },
  )

  it.each([
    ['another error', 'Bearer error="invalid_token"'],
    ['no challenge that can be read', 'Bearer error="insufficient_user_auth'],
  ])('is not begun by %s', async (_, demand) => {
    const { auth, windows } = await withApi(demand)
    expect((await auth.fetch('/api/x', {}, { stepUp: 'popup' })).status).toBe(401)
    expect(windows.opened).toHaveLength(0)
  })

  it('sends no stream twice: its answer is the caller’s', async () => {
    const { auth, windows } = await withApi()
    const init = { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit
    expect((await auth.fetch('/api/x', init, { stepUp: 'popup' })).status).toBe(401)
    expect(windows.opened).toHaveLength(0)
  })

  it('works in proxy mode too: the API’s challenge passes the backend', async () => {
    let fresh = false
    const options: WorldOptions = {
      mode: 'proxy',
      routes: { notes: { upstream: 'https://api.example.com' } },
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (!request.url.startsWith('https://api.example.com')) return here.as.fetch(request)
        return fresh
          ? new Response('done')
          : new Response('no', { status: 401, headers: { 'WWW-Authenticate': `${insufficient}, max_age="0"` } })
      },
    }
    const here = await world(options)
    await here.tab.navigate(`${APP}/bff/login`)
    goTo(`${APP}/`)
    const windows = popups(here)
    const { auth } = load(here.tab as Tab, {}, here)
    await auth.ready()
    here.as.signIn('alice')
    const calling = auth.fetch('/api/notes/x', {}, { stepUp: 'popup' })
    const sent = new URL(await windows.sent())
    expect([sent.pathname, sent.searchParams.get('max_age')]).toEqual(['/bff/login', '0'])
    fresh = true
    await comeBack(here, windows)
    expect(await (await calling).text()).toBe('done')
  })
})
