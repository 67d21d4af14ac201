import { describe, expect, it, vi } from 'vitest'
import { watchCountdown } from '../../src/client/countdown.js'
import { APP } from '../world.js'
import { load, type Page, signedIn } from './page.js'

const IDLE = 600

/** A page in which alice is signed in, whose session ends ten minutes after its last use. */
async function idle() {
  const { it, tab, auth: first } = await signedIn({}, { idleTimeout: IDLE })
  first.close()
  const page = load(tab, {}, it)
  await page.auth.ready()
  return { it, tab, ...page }
}

/** The same, on a network that can be left. */
async function onTheMove() {
  const { it, tab, auth: first } = await idle()
  first.close()
  const network = { away: false }
  const fetch: typeof globalThis.fetch = (input, init) =>
    network.away ? Promise.reject(new TypeError('offline')) : tab.fetch(input, init)
  const { auth } = load(tab, { fetch }, it)
  await auth.ready()
  return { it, auth, network }
}

const expiry = ({ auth: { session } }: Pick<Page, 'auth'>) => ('expiresAt' in session ? session.expiresAt : undefined)

describe('extend()', () => {
  it('makes an idle session go on, in every tab, with one request that brings no token', async () => {
    const { it, auth, asked } = await idle()
    const other = load(it.browser.newTab(`${APP}/`), {}, it)
    await other.auth.ready()
    it.advance(400)
    expect(await auth.extend()).toMatchObject({ status: 'signed-in', expiresAt: it.now() + IDLE })
    expect(asked).toEqual(['/bff/session', '/bff/session'])
    await vi.waitFor(() => expect(expiry(other)).toBe(it.now() + IDLE))
    // A look, which brings no token and is no use of the session.
    expect(other.asked).toHaveLength(2)
    it.advance(400)
    expect((await load(it.tab, {}, it).auth.ready()).status).toBe('signed-in')
    expect(it.as.grants.refresh_token ?? 0).toBeLessThanOrEqual(1)
  })

  it('twin: without it the session ends, and extend() says so', async () => {
    const { it, auth } = await idle()
    it.advance(IDLE + 120)
    expect(await auth.extend()).toMatchObject({ status: 'signed-out', reason: 'expired' })
  })

  it('rejects when the backend cannot be asked, and changes nothing', async () => {
    const { auth, network } = await onTheMove()
    const before = auth.session
    network.away = true
    await expect(auth.extend()).rejects.toMatchObject({ code: 'backend_unavailable', retryable: true })
    expect(auth.session).toBe(before)
  })

  it('asks nobody but who is here where nobody is signed in', async () => {
    const { it, auth: first, tab } = await signedIn()
    await first.logout({ local: true })
    const { auth, asked } = load(tab, {}, it)
    expect((await auth.extend()).status).toBe('signed-out')
    expect(asked).toEqual(['/bff/session'])
  })
})

describe('watchCountdown()', () => {
  async function counting(options: Parameters<typeof watchCountdown>[2] = {}) {
    const here = await idle()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const heard: Array<number | undefined> = []
    const stop = watchCountdown(here.auth, (left) => heard.push(left), { now: here.it.now, ...options })
    const pass = async (seconds: number) => {
      here.it.advance(seconds)
      await vi.advanceTimersByTimeAsync(seconds * 1000)
    }
    const act = (sign = 'keydown') => dispatchEvent(new Event(sign))
    return { ...here, heard, stop, pass, act }
  }

  it('[S-60] tells the seconds that are left, from the last minute on, and asks the backend at the end', async () => {
    const { heard, pass, auth, stop } = await counting({ activity: false })
    await pass(IDLE - 61)
    expect(heard).toEqual([])
    await pass(1)
    await pass(1)
    await pass(30)
    expect(heard).toEqual([60, 59, 29])
    await pass(29 + 120)
    await vi.waitFor(() => expect(auth.session).toMatchObject({ status: 'signed-out', reason: 'expired' }))
    expect(heard).toEqual([60, 59, 29, 0, undefined])
    stop()
  })

  it('[S-60] is set back by whoever is active, in whichever tab', async () => {
    const { it, heard, pass, act, asked, stop } = await counting()
    const other = load(it.browser.newTab(`${APP}/`), {}, it)
    await other.auth.ready()
    const elsewhere: Array<number | undefined> = []
    const stopOther = watchCountdown(other.auth, (left) => elsewhere.push(left), { now: it.now, activity: false })
    await pass(IDLE - 20)
    expect([heard.at(-1), elsewhere.at(-1)]).toEqual([20, 20])
    const before = asked.length
    act('pointerdown')
    act('keydown')
    await vi.waitFor(() => expect(heard.at(-1)).toBeUndefined())
    await vi.waitFor(() => expect(elsewhere.at(-1)).toBeUndefined())
    expect(asked.length - before).toBe(1)
    // And not again for half a minute, whatever they do.
    for (let at = 0; at < 20; at++) act()
    expect(asked.length - before).toBe(1)
    await pass(31)
    act()
    await vi.waitFor(() => expect(asked.length - before).toBe(2))
    stop()
    stopOther()
    act()
    await pass(IDLE)
    expect(asked.length - before).toBe(2)
  })

  it('[S-60] signs nobody out who is offline at 0; the next call that reaches the backend learns of it', async () => {
    const { it, auth, network } = await onTheMove()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const heard: Array<number | undefined> = []
    const stop = watchCountdown(auth, (left) => heard.push(left), { now: it.now })
    network.away = true
    it.advance(IDLE + 120)
    await vi.advanceTimersByTimeAsync(5000)
    expect(heard).toEqual([0])
    expect(auth.session.status).toBe('signed-in')
    network.away = false
    await vi.advanceTimersByTimeAsync(60_000)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(auth.session).toMatchObject({ status: 'signed-out', reason: 'expired' })
    stop()
  })

  it('has nothing to say where nobody is signed in', async () => {
    const { auth, heard, act, asked, stop } = await counting()
    await auth.logout({ local: true })
    const before = asked.length
    act()
    expect([heard, asked.length - before]).toEqual([[], 0])
    stop()
  })
})
