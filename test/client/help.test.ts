import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { world } from '../world.js'
import { APP, assigned, goTo, load, signedIn } from './page.js'

describe('the login-loop breaker', () => {
  /** One page load after another, each of which begins a sign-in that comes to nothing. */
  async function loop(active: boolean | undefined) {
    const it = await world()
    vi.stubGlobal('navigator', Object.create(navigator, { userActivation: { value: { hasBeenActive: active } } }))
    const codes: string[] = []
    for (let turn = 0; turn < 6; turn++) {
      assigned.length = 0
      const { auth } = load(it.tab, {}, it)
      const outcome = auth.login().catch((error) => error)
      const first = await Promise.race([outcome, vi.waitFor(() => void expect(assigned).toHaveLength(1))])
      codes.push(first ? `${first.code} ${first.cause.last}` : 'left')
      auth.close()
      if (first) continue
      // The provider sends the person back at once with an error, as one does with prompt=none.
      it.as.deny({ error: 'login_required' })
      const { url } = await it.tab.navigate(assigned[0] ?? '')
      goTo(url)
      await load(it.tab, {}, it).auth.ready()
    }
    vi.unstubAllGlobals()
    return { codes, it }
  }

  it('[S-57] ends it after three sign-ins within a minute that nobody asked for, and says what became of the last', async () => {
    const { codes, it } = await loop(false)
    expect(codes).toEqual([
      'left',
      'left',
      'left',
      'login_loop authorization_error',
      'login_loop authorization_error',
      'login_loop authorization_error',
    ])
    vi.stubGlobal('navigator', Object.create(navigator, { userActivation: { value: { hasBeenActive: false } } }))
    it.advance(61)
    load(it.tab, {}, it)
      .auth.login()
      .catch(() => {})
    await vi.waitFor(() => expect(assigned).toHaveLength(1))
    vi.unstubAllGlobals()
  })

  it('[S-57 twin] lets a user try as often as they like', async () => {
    expect((await loop(true)).codes).toEqual(Array(6).fill('left'))
  })

  it('keeps nothing but times and a code, and survives what others write there', async () => {
    const { it } = await loop(false)
    expect(sessionStorage.getItem('sallyport-sign-ins')).toMatch(/^\{"at":\[[\d.,]+\],"last":"authorization_error"\}$/)
    vi.stubGlobal('navigator', Object.create(navigator, { userActivation: { value: { hasBeenActive: false } } }))
    for (const junk of ['null', '{', '{"at":{}}', '{"at":["x",null]}', '7']) {
      sessionStorage.setItem('sallyport-sign-ins', junk)
      assigned.length = 0
      load(it.tab, {}, it)
        .auth.login()
        .catch(() => {})
      await vi.waitFor(() => expect(assigned, junk).toHaveLength(1))
    }
    vi.unstubAllGlobals()
  })
})

describe('diagnostics()', () => {
  it('tells what happened, for a bug report: requests with status, events, settings', async () => {
    const { it, auth } = await signedIn()
    it.advance(290)
    await auth.getToken()
    it.as.fail('token', { status: 503 }, { times: 9 })
    it.advance(310)
    await auth.getToken().catch(() => {})
    const text = await auth.diagnostics()
    for (const part of [
      'session: signed-in',
      'mode: token-mediating',
      `redirect_uri, to be registered at the provider character for character: ${APP}/callback`,
      `page: ${APP}/`,
      '310.0 · token_renewed',
      '310.0 · /token 200',
      '0.0 · /token 503 temporarily_unavailable',
      '600.0 · signed_in',
    ])
      expect(text).toContain(part)
  })

  it('[S-79] holds no token, code, state, cookie, claim or query', async () => {
    const { it, auth } = await signedIn()
    goTo(`${APP}/notes?secret=1#hash`)
    await auth.getToken()
    await auth.extend()
    const text = await auth.diagnostics()
    for (const secret of [...it.as.issued, 'alice', 'Alice', 'secret', 'hash', 'touch'])
      expect(text).not.toContain(secret)
    for (const { value } of it.browser.jar.all()) if (value) expect(text).not.toContain(value)
  })

  it('keeps the words of a stranger out, and no more than the last hundred lines', async () => {
    const it = await world()
    const { auth } = load(it.tab, { fetch: async () => Response.json({ error: 'token=abc <b>' }, { status: 500 }) }, it)
    for (let turn = 0; turn < 300; turn++) {
      it.advance(7200)
      vi.spyOn(performance, 'now').mockReturnValue(turn * 1e8)
      await auth.ready()
    }
    const text = await auth.diagnostics()
    expect(text).toContain('/session 500 …')
    expect(text).not.toContain('abc')
    expect(text.split('\n').filter((line) => line.includes('/session')).length).toBeLessThanOrEqual(100)
  })

  it('is there before anything was asked', async () => {
    const it = await world()
    expect(await load(it.tab, {}, it).auth.diagnostics()).toMatch(/session: pending\n[\s\S]*mode: not asked yet/)
  })
})

it('explains a redirect URI that the provider does not know, with the exact string to register', async () => {
  const it = await world({ redirect_uris: [`${APP}/callback`, `${APP}/signed-in`] }, { par: true })
  const { auth } = load(it.tab, { redirect_uri: '/signed-in' }, it)
  const error = await auth.login().catch((error) => error)
  expect(error).toMatchObject({ code: 'redirect_uri_unregistered', retryable: false })
  expect(error.message).toContain(`${APP}/signed-in`)
  expect(readFileSync('docs/errors.md', 'utf8')).toContain('### `redirect_uri_unregistered`')
})
