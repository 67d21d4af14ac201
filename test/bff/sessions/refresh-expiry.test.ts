import { describe, expect, it } from 'vitest'
import { endOf, type SessionRecord } from '../../../src/bff/sessions/session-record.js'
import { API, APP, bodyOf, call, homes, look, refresh, signIn, type World, type WorldOptions } from '../../world.js'

type Claims = Record<string, unknown>

/** A provider whose token responses have these members. */
async function scene(open: (typeof homes)[number][1], members: Claims, options: WorldOptions = {}) {
  const here: World = await open(options)
  const state = { members }
  here.as.tamper.tokenResponse = (body) => ({ ...body, ...state.members })
  const left = async () => {
    const { expires_at } = await bodyOf(await look(here.tab, '/session?touch=false'))
    return expires_at === null ? 'signed out' : expires_at - here.now()
  }
  return { ...here, bff: here.bff, state, left }
}

/** Seconds: the default of `idleTimeout`. */
const DAY = 86_400

describe.each(homes)('the end of a session, with %s', (_home, open) => {
  it.each([
    ['the draft', { refresh_token_timeout: 1800 }, 1800],
    ['the draft, for the authorization', { authorization_expires_in: 7200 }, 7200],
    ['the draft, both', { refresh_token_timeout: 7200, authorization_expires_in: 1800 }, 1800],
    ['Keycloak', { refresh_expires_in: 1800 }, 1800],
    ['Entra ID and Google', { refresh_token_expires_in: 1800 }, 1800],
    ['a provider that writes numbers as text', { refresh_expires_in: '1800' }, 1800],
    ['a provider with a longer access token', { refresh_expires_in: 60 }, 300],
    ['Keycloak, for an offline session', { refresh_expires_in: 0 }, DAY],
    ['a provider with a longer refresh token', { refresh_expires_in: 1e6 }, DAY],
    ['a provider that says nothing', {}, DAY],
    ['null', { refresh_expires_in: null }, DAY],
    ['something else', { refresh_expires_in: 'soon', refresh_token_timeout: -5, authorization_expires_in: {} }, DAY],
    ['a number that is none', { refresh_expires_in: 1e300 }, DAY],
  ])('is that of the refresh token, as said by %s', async (_who, members, seconds) => {
    const { tab, left, advance, as } = await scene(open, members)
    expect((await bodyOf(await signIn(tab))).session_expires_in).toBe(seconds)
    expect(await left()).toBe(seconds)
    advance(seconds - 1)
    expect(await left()).toBe(1)
    // The idle timeout includes its last second.
    advance(seconds === DAY ? 2 : 1)
    const before = as.requests.token
    expect(await bodyOf(await look(tab, '/session'))).toMatchObject({ user: null, reason: 'expired' })
    expect(as.requests.token).toBe(before)
  })

  it('moves on with each refresh', async () => {
    const { tab, left, advance, state } = await scene(open, { refresh_expires_in: 1800 })
    await signIn(tab)
    for (let times = 0; times < 5; times++) {
      advance(1700)
      expect((await refresh(tab)).status).toBe(200)
      expect(await left()).toBe(1800)
    }
    // The same refresh token: its end stays where it was.
    state.members = { refresh_token: undefined }
    advance(600)
    expect((await refresh(tab)).status).toBe(200)
    expect(await left()).toBe(1200)
  })

  it('is forgotten where a new refresh token has none', async () => {
    const { tab, left, advance, state } = await scene(open, { refresh_expires_in: 1800 })
    await signIn(tab)
    state.members = {}
    advance(600)
    expect((await refresh(tab)).status).toBe(200)
    expect(await left()).toBe(DAY)
  })

  it('is not before that of a refresh that is on its way', async () => {
    const { tab, advance, as, bff, browser, left } = await scene(open, { refresh_expires_in: 1800 })
    await signIn(tab)
    advance(1799)
    const gate = as.delay('token')
    const before = as.requests.token
    const renewal = refresh(tab)
    while (as.requests.token === before) await new Promise((resolve) => setTimeout(resolve, 1))
    advance(2)
    const headers = { 'Sallyport-CSRF': '1', Origin: APP, Cookie: browser.jar.header(`${APP}/`) ?? '' }
    expect((await bodyOf(await bff.fetch(new Request(`${APP}/bff/session`, { headers })))).user.sub).toBe('alice')
    gate.release()
    expect((await renewal).status).toBe(200)
    expect(await left()).toBe(1800)
  })

  it('is put off in proxy mode by a page load, too, if the provider is there', async () => {
    const options: WorldOptions = { mode: 'proxy', routes: { notes: { upstream: `${API}/v1` } } }
    const { tab, advance, as, left } = await scene(open, { refresh_expires_in: 1800 }, options)
    await tab.navigate(`${APP}/bff/login`)
    // A young token is not renewed.
    advance(100)
    expect((await call(tab, '/session')).status).toBe(200)
    expect(as.grants.refresh_token).toBe(0)
    for (let times = 1; times <= 3; times++) {
      advance(1650)
      const { expires_in } = await bodyOf(await call(tab, '/session'))
      expect([expires_in, as.grants.refresh_token]).toEqual([1800, times])
      await look(tab, '/session')
    }
    as.fail('token', 'refused', { times: 9 })
    advance(1700)
    expect(await bodyOf(await call(tab, '/session'))).toMatchObject({ user: { sub: 'alice' }, expires_in: 100 })
    advance(100)
    expect(await left()).toBe('signed out')
  })

  it('costs no request in proxy mode where the provider does not say', async () => {
    const { tab, advance, as } = await scene(open, {}, { mode: 'proxy' })
    await tab.navigate(`${APP}/bff/login`)
    advance(1700)
    expect((await call(tab, '/session')).status).toBe(200)
    expect(as.grants.refresh_token).toBe(0)
  })
})

it('the end of a refresh token says nothing of a generation that an older release has written', () => {
  const end = (generation: number) =>
    endOf({ expires: 100, generation, refresh_expiry: { at: 50, generation: 1 } } as SessionRecord)
  expect([end(0), end(1), end(2)]).toEqual([100, 50, 100])
})
