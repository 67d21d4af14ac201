import { describe, expect, it, vi } from 'vitest'
import { API, ISSUER, type Tab, type WorldOptions, world } from '../world.js'
import { APP, goTo, load, type Page, redirectUrl, signInThrough } from './page.js'
import { comeBack, popups } from './windows.js'

const demand = 'Bearer error="insufficient_user_authentication", max_age="0"'

/** What becomes of a call: its status, or the code of its error. */
const outcome = (call: Promise<Response | string>) =>
  call.then(
    (answer) => (typeof answer === 'string' ? 'token' : answer.status),
    (error) => error.code ?? error,
  )

/** Alice's page, an API of this origin, and a hand on what the backend's answers wait for. */
async function withApi(answer: () => Response = () => new Response('done')) {
  const it = await world()
  const windows = popups(it)
  const first = await signInThrough(it, it.tab)
  first.auth.close()
  const seen: string[] = []
  const held: { path?: string; go?: () => void } = {}
  const page = load(
    it.tab,
    {
      fetch: async (input, init) => {
        const request = new Request(input instanceof Request ? input : new URL(`${input}`, APP), init)
        const { pathname } = new URL(request.url)
        if (pathname.startsWith('/bff/')) {
          const response = await it.tab.fetch(request.url, init)
          const isCode = init?.body instanceof URLSearchParams && init.body.has('code')
          if (pathname === held.path && !isCode) await new Promise<void>((go) => Object.assign(held, { go }))
          return response
        }
        seen.push(request.headers.get('authorization') ?? '')
        return answer()
      },
    },
    it,
  )
  await page.auth.ready()
  return { it, windows, seen, held, ...page }
}

/** Bob signs in in a popup that Alice's page has opened. */
async function bobComes({ it, windows, auth }: Awaited<ReturnType<typeof withApi>>, options = {}) {
  it.as.signIn('bob')
  const signing = auth.login({ popup: true, ...options })
  await comeBack(it, windows)
  await signing
}

describe('another user than the one whose request waits', () => {
  // First: a callback that a popup's test has left behind is every page's of this document.
  describe('in proxy mode', () => {
    async function proxied(options: WorldOptions = {}, answer = () => new Response('done')) {
      const seen: Request[] = []
      const it = await world({
        mode: 'proxy',
        routes: { notes: { upstream: `${API}/v1` } },
        fetch: async (input, init) => {
          const request = new Request(input, init)
          if (request.url.startsWith(ISSUER)) return it.as.fetch(request)
          seen.push(request)
          return answer()
        },
        ...options,
      })
      await it.tab.navigate(`${APP}/bff/login`)
      goTo(`${APP}/`)
      const windows = popups(it)
      const page: Page = load(it.tab as Tab, {}, it)
      await page.auth.ready()
      return { it, seen, windows, ...page }
    }

    it('[P-15] has signed in in another tab, unheard: the call is refused, and the page finds out', async () => {
      const { it, auth, seen, events } = await proxied()
      it.as.signIn('bob')
      await it.browser.newTab(`${APP}/`).navigate(`${APP}/bff/login`)
      expect(await outcome(auth.fetch('/api/notes/x', { method: 'POST', body: '100' }))).toBe(409)
      expect(seen).toEqual([])
      await vi.waitFor(() => expect(auth.session).toEqual({ status: 'signed-out', reason: 'user_changed' }))
      expect(events.at(-1)).toEqual({ type: 'signed_out', reason: 'user_changed' })
      expect(await load(it.tab, {}, it).auth.ready()).toMatchObject({ user: { sub: 'bob' } })
    })

    it('[P-15 twin] is not here: calls go through, and a 409 of the API’s is the API’s', async () => {
      const { auth, seen, asked } = await proxied({}, () => Response.json({ error: 'conflict' }, { status: 409 }))
      asked.length = 0
      expect(await outcome(auth.fetch('/api/notes/x', { method: 'POST', body: '100' }))).toBe(409)
      expect(seen).toHaveLength(1)
      expect(asked).toEqual(['/bff/api/notes/x'])
      expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    })

    it('[P-15] is the same subject at another issuer, where the backend tells them apart', async () => {
      const { it, seen } = await proxied()
      let answer: object = { user_digest: 'A'.repeat(43) }
      const page = load(
        it.tab,
        {
          fetch: async (input, init) => {
            const response = await it.tab.fetch(input, init)
            return /\/session(\?|$)/.test(`${input}`)
              ? Response.json({ ...(await response.json()), ...answer })
              : response
          },
        },
        it,
      )
      await page.auth.ready()
      // A backend of 0.1.0 beside newer ones says nothing: that is no change.
      answer = { user_digest: undefined }
      expect(await page.auth.extend()).toMatchObject({ status: 'signed-in' })
      answer = {}
      expect(await outcome(page.auth.fetch('/api/notes/x'))).toBe(409)
      expect(seen).toEqual([])
      await vi.waitFor(() => expect(page.auth.session).toEqual({ status: 'signed-out', reason: 'user_changed' }))
    })

    it('is not told of to a backend that has no name for people: it gets no header that it does not know', async () => {
      const { it } = await proxied()
      const sent: (string | null)[] = []
      const page = load(
        it.tab,
        {
          fetch: async (input, init) => {
            const response = await it.tab.fetch(input, init)
            sent.push(new Headers(init?.headers).get('sallyport-user'))
            if (!`${input}`.endsWith('/session')) return response
            const { user_digest: _, ...older } = await response.json()
            return Response.json(older)
          },
        },
        it,
      )
      expect(await outcome(page.auth.fetch('/api/notes/x'))).toBe(200)
      expect(sent).toEqual([null, null])
    })

    it('[C-25] finishes a step-up whose session has ended meanwhile: nothing is sent as them', async () => {
      const { it, auth, seen, windows } = await proxied(
        {},
        () => new Response('no', { status: 401, headers: { 'WWW-Authenticate': demand } }),
      )
      const calling = outcome(auth.fetch('/api/notes/x', { method: 'POST', body: '100' }, { stepUp: 'popup' }))
      await windows.sent()
      it.browser.jar.clear()
      it.as.signIn('bob')
      await comeBack(it, windows)
      expect(await calling).toBe('subject_mismatch')
      expect(seen).toHaveLength(1)
    })
  })

  it('[C-25] finishes a step-up: nothing is sent again, and who was here still is', async () => {
    const { it, auth, seen, windows } = await withApi(
      () => new Response('no', { status: 401, headers: { 'WWW-Authenticate': demand } }),
    )
    const calling = outcome(auth.fetch('/api/x', { method: 'POST', body: '100' }, { stepUp: 'popup' }))
    it.as.signIn('bob')
    await comeBack(it, windows)
    expect(await calling).toBe('subject_mismatch')
    expect(seen).toHaveLength(1)
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(await outcome(auth.getToken())).toBe('token')
  })

  it('[C-25] finishes a step-up whose session has ended meanwhile: the page is theirs, and nothing is sent', async () => {
    const { it, auth, seen, windows } = await withApi(
      () => new Response('no', { status: 401, headers: { 'WWW-Authenticate': demand } }),
    )
    it.browser.jar.clear()
    const calling = outcome(auth.fetch('/api/x', { method: 'POST', body: '100' }, { stepUp: 'popup' }))
    it.as.signIn('bob')
    await comeBack(it, windows)
    expect(await calling).toBe('subject_mismatch')
    expect(seen).toHaveLength(1)
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'bob' } })
  })

  it('[C-25] comes back from a step-up by redirect: it is refused, and who was here still is', async () => {
    const { it, auth } = await withApi(
      () => new Response('no', { status: 401, headers: { 'WWW-Authenticate': demand } }),
    )
    expect(await outcome(auth.fetch('/api/x', {}, { stepUp: 'redirect' }))).toBe('step_up_started')
    auth.close()
    it.as.signIn('bob')
    goTo((await it.tab.navigate(await redirectUrl())).url)
    const after = load(it.tab, {}, it)
    expect(await after.auth.ready()).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(after.events).toContainEqual({
      type: 'callback_failed',
      error: expect.objectContaining({ code: 'subject_mismatch', retryable: false }),
    })
  })

  it('[C-25] signs in by popup while a token is on its way: it is not handed to who asked before', async () => {
    const page = await withApi()
    const { it, auth, held, seen } = page
    held.path = '/bff/token'
    it.advance(290)
    const [token, call, queued] = [
      outcome(auth.getToken()),
      outcome(auth.fetch('/api/x', { method: 'POST', body: '100' })),
      outcome(auth.getToken({ scope: 'notes:read' })),
    ]
    await vi.waitFor(() => expect(held.go).toBeDefined())
    await bobComes(page)
    held.path = ''
    held.go?.()
    expect(await Promise.all([token, call, queued])).toEqual(Array(3).fill('subject_mismatch'))
    expect(seen).toEqual([])
    expect(auth.session).toMatchObject({ user: { sub: 'bob' } })
    // Whoever asks now asks as bob.
    expect(await outcome(auth.fetch('/api/x'))).toBe(200)
  })

  it('[C-25 twin] is not the same user who signs in anew: they get what they waited for', async () => {
    const page = await withApi()
    const { it, auth, held, windows, seen } = page
    held.path = '/bff/token'
    it.advance(290)
    const waiting = [outcome(auth.getToken()), outcome(auth.fetch('/api/x', { method: 'POST', body: '100' }))]
    await vi.waitFor(() => expect(held.go).toBeDefined())
    const signing = auth.login({ popup: true, max_age: 0 })
    await comeBack(it, windows)
    await signing
    held.path = ''
    held.go?.()
    expect(await Promise.all(waiting)).toEqual(['token', 200])
    expect(seen).toHaveLength(1)
  })

  it('[C-25] signs in by popup while an API refuses a token: the request is not sent again as them', async () => {
    let refuse = (_: Response) => {}
    const refused = new Promise<Response>((resolve) => {
      refuse = resolve
    })
    const it = await world()
    const windows = popups(it)
    ;(await signInThrough(it, it.tab)).auth.close()
    const seen: string[] = []
    const { auth } = load(
      it.tab,
      {
        fetch: (input, init) => {
          const request = new Request(input instanceof Request ? input : new URL(`${input}`, APP), init)
          if (request.url.startsWith(`${APP}/bff/`)) return it.tab.fetch(request.url, init)
          seen.push(request.headers.get('authorization') ?? '')
          return refused
        },
      },
      it,
    )
    await auth.ready()
    const calling = auth.fetch('/api/x', { method: 'POST', body: '100' })
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    it.as.signIn('bob')
    const signing = auth.login({ popup: true })
    await comeBack(it, windows)
    await signing
    refuse(new Response('no', { status: 401 }))
    // The API's own answer, to a request that was alice's.
    expect(await outcome(calling)).toBe(401)
    expect(seen).toHaveLength(1)
    expect(auth.session).toMatchObject({ user: { sub: 'bob' } })
  })
})
