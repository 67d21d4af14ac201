import { describe, expect, it, vi } from 'vitest'
import { watchCountdown } from '../../src/client/countdown.js'
import { APP, bodyOf, look, type World } from '../world.js'
import { load, type Page, signedIn } from './page.js'

const IDLE = 600

/** A page in which alice is signed in, whose session ends ten minutes after its last use, and whose clock is `off`. */
async function idle(idleTimeout = IDLE, off = 0, store?: 'memory') {
  const { it, tab, auth: first } = await signedIn({}, { idleTimeout, ...(store && { store }) })
  first.close()
  const page = load(tab, {}, { now: () => it.now() + off })
  await page.auth.ready()
  return { it, tab, ...page }
}

/** Both clocks go on, second by second. */
const passing = (it: World) => async (seconds: number) => {
  for (let second = 0; second < seconds; second++) {
    it.advance(1)
    await vi.advanceTimersByTimeAsync(1000)
  }
}

/** Until it holds, without moving a clock. */
async function soon(holds: () => unknown): Promise<void> {
  for (let turn = 0; turn < 500 && !(await holds()); turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(await holds()).toBe(true)
}

const monotonic = () => vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })

const from = (most: number, count: number) => Array.from({ length: count }, (_, at) => most - at)

/** The same, on a network that can be left. */
async function onTheMove() {
  const { it, tab, auth: first } = await idle()
  first.close()
  const network = { down: false }
  const fetch: typeof globalThis.fetch = (input, init) =>
    network.down ? Promise.reject(new TypeError('offline')) : tab.fetch(input, init)
  const { auth } = load(tab, { fetch }, it)
  await auth.ready()
  return { it, auth, network, pass: passing(it) }
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
    network.down = true
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
  async function counting(options: Parameters<typeof watchCountdown>[2] = {}, ...rest: Parameters<typeof idle>) {
    monotonic()
    const here = await idle(...rest)
    const heard: Array<number | undefined> = []
    const now = () => here.it.now() + (rest[1] ?? 0)
    const stop = watchCountdown(here.auth, (left) => heard.push(left), { now, ...options })
    const act = (sign = 'keydown') => dispatchEvent(new Event(sign))
    return { ...here, heard, stop, act, pass: passing(here.it) }
  }

  describe.each([undefined, 'memory'] as const)('with store %s', (store) => {
    it.each([0, 600, -600])('[C-26] lets an unattended session end, with a clock that is %i s off', async (off) => {
      const { it, tab, auth, heard, pass, stop } = await counting({}, 20, off, store)
      const other = load(it.browser.newTab(`${APP}/`), {}, { now: () => it.now() - off })
      await other.auth.ready()
      const stopOther = watchCountdown(other.auth, () => {}, { now: () => it.now() - off })
      await pass(19)
      expect(heard).toEqual(from(20, 20))
      await pass(10)
      await soon(() => heard.length > 20 && other.auth.session.status === 'signed-out')
      for (const { session } of [auth, other.auth])
        expect(session).toMatchObject({ status: 'signed-out', reason: 'expired' })
      expect(heard.slice(20)).toEqual([0, undefined])
      expect(await bodyOf(await look(tab, '/session'))).toMatchObject({ user: null })
      stop()
      stopOther()
    })

    it.each([0, 600, -600])(
      '[C-26 twin] keeps it for whoever does something, with a clock that is %i s off',
      async (off) => {
        const { auth, pass, act, stop, heard } = await counting({}, 20, off, store)
        for (let turn = 0; turn < 6; turn++) {
          await pass(15)
          act()
          await soon(() => auth.secondsLeft() === 20)
        }
        expect(auth.session.status).toBe('signed-in')
        expect(Math.min(...heard.map((left) => left ?? 99))).toBe(5)
        stop()
      },
    )
  })

  it('[C-26] asks when the computer has slept, since the monotonic clock may have stood still; that is no use', async () => {
    const { it, auth, heard, stop } = await counting()
    it.advance(IDLE - 30)
    await vi.advanceTimersByTimeAsync(1000)
    await soon(() => heard.at(-1) === 30)
    it.advance(1)
    await vi.advanceTimersByTimeAsync(1000)
    expect(heard.at(-1)).toBe(29)
    it.advance(IDLE)
    await vi.advanceTimersByTimeAsync(1000)
    await soon(() => 'reason' in auth.session && auth.session.reason === 'expired')
    expect(heard.at(-1)).toBeUndefined()
    stop()
  })

  it('[S-60] tells the seconds that are left, from the last minute on, and asks the backend at the end', async () => {
    const { heard, pass, auth, stop } = await counting({ activity: false })
    await pass(IDLE - 61)
    expect(heard).toEqual([])
    await pass(1)
    await pass(1)
    await pass(30)
    expect(heard).toEqual(from(60, 32))
    await pass(29 + 120)
    await vi.waitFor(() => expect(auth.session).toMatchObject({ status: 'signed-out', reason: 'expired' }))
    expect(heard).toEqual([...from(60, 61), undefined])
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
    await soon(() => heard.at(-1) === undefined && elsewhere.at(-1) === undefined)
    expect(asked.length - before).toBe(1)
    // And not again for half a minute, whatever they do.
    for (let at = 0; at < 20; at++) act()
    expect(asked.length - before).toBe(1)
    await pass(31)
    act()
    await soon(() => asked.length - before === 2)
    stop()
    stopOther()
    act()
    await pass(IDLE)
    expect(asked.length - before).toBe(2)
  })

  it('[S-60] signs nobody out who is offline at 0; the next call that reaches the backend learns of it', async () => {
    monotonic()
    const { it, auth, network, pass } = await onTheMove()
    const heard: Array<number | undefined> = []
    const stop = watchCountdown(auth, (left) => heard.push(left), { now: it.now })
    network.down = true
    await pass(IDLE + 120)
    expect(heard.at(-1)).toBe(0)
    expect(auth.session.status).toBe('signed-in')
    network.down = false
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

describe('what a page asks', () => {
  const show = (type: string, more = {}) => window.dispatchEvent(Object.assign(new Event(type), more))

  /** A page whose session was last used a while ago. `first`: what its first question came to. */
  async function aside(first?: 'signed out' | 'offline', store?: 'memory') {
    monotonic()
    const { it, tab, auth: before } = await signedIn({}, { idleTimeout: IDLE, ...(store && { store }) })
    before.close()
    const asked = { count: 0, answered: 0 }
    const fetch: typeof globalThis.fetch = async (input, init) => {
      if (++asked.count > 1 || !first) return tab.fetch(input, init).finally(() => asked.answered++)
      if (first === 'offline') throw new TypeError('offline')
      return Response.json({ mode: 'token-mediating', user: null, expires_at: null, reason: 'none' })
    }
    const { auth } = load(tab, { fetch }, it)
    await auth.ready()
    it.advance(200)
    await vi.advanceTimersByTimeAsync(200_000)
    asked.count = 1
    asked.answered = 0
    const channel = new BroadcastChannel(`sallyport ${APP}/bff`)
    return { it, tab, auth, asked, channel }
  }

  type Aside = Awaited<ReturnType<typeof aside>>
  type Act = (page: Aside) => unknown
  const byItself: [string, Parameters<typeof aside>[0], Act][] = [
    ['coming into view', undefined, () => show('visibilitychange')],
    ['being online again', undefined, () => show('online')],
    ['hearing that the session goes on', undefined, ({ channel }) => channel.postMessage({ in: 'alice' })],
    ['hearing of a sign-in', 'signed out', ({ channel }) => channel.postMessage({ in: 'alice' })],
    ['being online after an outage', 'offline', () => show('online')],
  ]
  const forSomebody: [string, Parameters<typeof aside>[0], Act][] = [
    ['the app asks after an outage', 'offline', ({ auth }) => auth.getToken()],
    ['the back button brings the page back', undefined, () => show('pageshow', { persisted: true })],
    ['the app says so', undefined, ({ auth }) => auth.extend()],
    ['the app wants a token', undefined, ({ auth }) => auth.getToken({ minValidity: 9999 })],
  ]

  /** How many seconds the session has won. */
  async function wins(first: Parameters<typeof aside>[0], act: Act, store: 'memory' | undefined) {
    const page = await aside(first, store)
    const end = async () => (await bodyOf(await look(page.tab, '/session?touch=false'))).expires_at
    const before = await end()
    await act(page)
    await soon(() => page.asked.answered > 0 && page.auth.session.status === 'signed-in')
    page.channel.close()
    return (await end()) - before
  }

  describe.each([undefined, 'memory'] as const)('with store %s', (store) => {
    it.each(byItself)('[C-26] by itself is no activity: %s', async (_name, first, act) => {
      expect(await wins(first, act, store)).toBe(0)
    })
    it.each(forSomebody)('[C-26 twin] for somebody is activity: %s', async (_name, first, act) => {
      expect(await wins(first, act, store)).toBe(200)
    })
  })
})
