import { describe, expect, it } from 'vitest'
import { world } from '../world.js'
import { APP, departure, load, signInThrough } from './page.js'

describe('a page whose backend is in proxy mode', () => {
  it('signs in through the backend, and says why it has no token', async () => {
    const it = await world({ mode: 'proxy' })
    const { auth, asked, events } = await signInThrough(it, it.tab, {}, { returnTo: '/notes#a' })
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(asked).toEqual(['/bff/session'])
    expect(location.pathname + location.hash).toBe('/notes#a')
    expect(events.map(({ type }) => type)).toEqual(['signed_in'])
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'token_not_available', retryable: false })
    expect(asked).toHaveLength(1)
    await auth.logout({ local: true })
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    expect((await load(it.tab, {}, it).auth.ready()).status).toBe('signed-out')
  })

  it('hands what it asks of a sign-in to the backend, which asks for the scope that is configured there', async () => {
    const it = await world({ mode: 'proxy', authorizationParams: ['organization'] })
    const { auth } = load(it.tab, {}, it)
    const wishes = {
      prompt: 'login',
      max_age: 0,
      login_hint: 'a&b',
      scope: 'openid email',
      returnTo: '/x?y=1',
    } as const
    auth.login({ ...wishes, params: { organization: 'acme' } }).catch(() => {})
    const url = new URL(await departure(), APP)
    expect(url.pathname).toBe('/bff/login')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      prompt: 'login',
      max_age: '0',
      login_hint: 'a&b',
      organization: 'acme',
      return_to: '/x?y=1',
    })
  })
})
