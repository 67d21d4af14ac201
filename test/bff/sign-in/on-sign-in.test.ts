import { afterEach, describe, expect, it, vi } from 'vitest'
import { APP, bodyOf, homes, ISSUER, look, signIn, type WorldOptions } from '../../world.js'

afterEach(() => void vi.useRealTimers())

describe.each(homes)('onSignIn, with %s', (_home, open) => {
  const proxied = (onSignIn: WorldOptions['onSignIn'], more: WorldOptions = {}) =>
    open({ mode: 'proxy', onSignIn: onSignIn as never, ...more })

  it('gets what the provider sends besides, and nothing of the protocol', async () => {
    const onSignIn = vi.fn()
    const { tab, as } = await proxied(onSignIn)
    as.tamper.authorizationResponse = (parameters) => {
      for (const [name, value] of Object.entries({ session_state: 's', scope: 'x', vendor: '1', empty: '' }))
        parameters.set(name, value)
      for (const value of ['a', 'b']) parameters.append('twice', value)
      return parameters
    }
    await tab.navigate(`${APP}/bff/login`)
    expect(onSignIn.mock.calls).toEqual([[{ iss: ISSUER, sub: 'alice', unverified: { vendor: '1' } }]])
  })

  it('is called by a page’s sign-in, too, and by no refresh', async () => {
    const onSignIn = vi.fn()
    const { tab, advance } = await open({ onSignIn: onSignIn as never })
    await signIn(tab)
    advance(3600)
    await look(tab, '/session')
    expect(onSignIn.mock.calls).toEqual([[{ iss: ISSUER, sub: 'alice', unverified: {} }]])
  })

  it('is not called if the sign-in is refused', async () => {
    const onSignIn = vi.fn()
    const { tab, as } = await proxied(onSignIn)
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, nonce: 'x' }, header })
    await tab.navigate(`${APP}/bff/login`)
    expect(onSignIn).not.toHaveBeenCalled()
  })

  it.each([
    ['throws', () => Promise.reject(new Error('secret words')), 'onSignIn threw'],
    ['never ends', () => new Promise(() => {}), 'onSignIn took too long'],
  ])('that %s keeps nobody out, and is told', async (_name, onSignIn, detail) => {
    const called = vi.fn(onSignIn)
    const { tab, events } = await proxied(called)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const going = tab.navigate(`${APP}/bff/login`)
    await vi.waitFor(() => expect(called).toHaveBeenCalledTimes(1))
    await vi.advanceTimersByTimeAsync(5000)
    await going
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    const told = events.filter(({ type }) => type === 'operator_error')
    expect(told).toEqual([{ type: 'operator_error', detail: expect.stringContaining(detail) }])
    expect(JSON.stringify(events)).not.toContain('secret words')
  })
})
