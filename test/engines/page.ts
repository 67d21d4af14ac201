import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type Engine, type Tab, until } from './engine.js'
import { type Place, startPlace } from './place.js'

/** A stream in a Request is the app's own doing: Firefox spells it out there, and Safari refuses it. */
const kinds = [...['text', 'form', 'pairs', 'blob', 'bytes'].flatMap((kind) => [kind, `Request of ${kind}`]), 'stream']

/** What every call comes to where nothing can be kept and nobody can be asked: an error with a code. */
export const typed = /^\w+: (done|pending|unavailable|signed-out|[a-z]+(_[a-z]+)+)$/

/** What is promised of the page in every engine. `rounds`: of what went wrong five times of five. */
export function pageSuite(launch: () => Promise<Engine>, rounds = 5): void {
  let engine: Engine
  let place: Place | undefined
  beforeAll(async () => {
    engine = await launch()
  })
  afterAll(() => engine?.close())
  afterEach(async () => {
    await place?.close()
    place = undefined
  })

  async function open(options?: Parameters<typeof startPlace>[0]): Promise<{ tab: Tab; place: Place }> {
    place = await startPlace(options)
    const tab = await engine.fresh()
    await tab.go(place.url)
    await until(tab, "window.auth?.session.status === 'signed-out'")
    return { tab, place }
  }

  async function signedIn(options?: Parameters<typeof startPlace>[0]) {
    const opened = await open(options)
    await opened.tab.run("window.auth.login({ returnTo: '/' }).catch(() => {})")
    await until(opened.tab, "window.auth?.session.status === 'signed-in'")
    return opened
  }

  const outcome = (tab: Tab) => tab.run<string | undefined>('return window.outcome')
  const popup = async (tab: Tab, where = '#pass') => {
    const window = await engine.popup()
    await until(window, `document.querySelector('${where}')`)
    return { window, tab }
  }

  it.each(['token-mediating', 'proxy'] as const)(
    '[C-24] a body arrives whole, once, whatever it is, in %s mode',
    async (mode) => {
      const { tab, place } = await signedIn({ mode })
      const text = await tab.run<string>('return window.text')
      for (const kind of kinds) {
        // WebKit reads no form that has a file in it, so a Request of one cannot be sent elsewhere: an error says so.
        if (engine.name === 'WebKit' && mode === 'proxy' && kind === 'Request of form') continue
        place.api.got.length = 0
        const got = await tab.run(`return window.post('${kind}', '/echo')`)
        expect({ kind, ...(got as object) }).toMatchObject({
          kind,
          token: true,
          content: kind.endsWith('form') ? text + text : text,
        })
        expect(place.api.got).toEqual(['POST /echo true'])
      }
    },
  )

  it('[S-61] opens one popup; a second click brings it to the front', async () => {
    const { tab, place } = await open()
    place.provider.stops = true
    await tab.click('#popup')
    const { window } = await popup(tab)
    await tab.click('#popup')
    expect(await engine.windows()).toBe(2)
    await window.click('#pass')
    await until(tab, "window.auth.session.status === 'signed-in'")
    expect(await outcome(tab)).toBe('done')
  })

  it('[S-62] hears within seconds of a popup that is closed as soon as it has reached the provider, every time', async () => {
    const { tab, place } = await open()
    place.provider.stops = true
    for (let times = 0; times < rounds; times++) {
      await tab.click('#popup')
      const { window } = await popup(tab)
      await window.close()
      // 2 s are slack: a loaded machine is slow to open windows, not to notice.
      await until(tab, 'window.outcome', 4000)
      expect(await outcome(tab)).toBe('popup_closed')
    }
  })

  it('[S-62 twin] waits for one that the provider’s policy has cut off', async () => {
    const { tab, place } = await open()
    Object.assign(place.provider, { stops: true, headers: { 'Cross-Origin-Opener-Policy': 'same-origin' } })
    await tab.click('#popup')
    const { window } = await popup(tab)
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(await outcome(tab)).toBeFalsy()
    await window.click('#pass')
    await until(tab, "window.auth.session.status === 'signed-in'")
    expect(await outcome(tab)).toBe('done')
  })

  it('[S-72] steps up in a popup; where that takes another click, the error has the way on', async () => {
    const { tab, place } = await signedIn()
    const { api, provider } = place
    Object.assign(api, { challenge: 'Bearer error="insufficient_user_authentication", max_age="300"' })
    provider.stops = true
    await tab.click('#step')
    if (engine.name === 'WebKit') {
      await until(tab, "window.outcome === 'popup_blocked'")
      await tab.click('#retry')
    }
    const { window } = await popup(tab)
    api.challenge = ''
    await window.click('#pass')
    await until(tab, 'window.outcome')
    expect(await outcome(tab)).toContain('"token":true')
    expect(api.got).toEqual(['POST /step true', 'POST /step true'])
  })

  it('comes back from a sign-out to a redirect URI that is the start page, and leaves the app’s own state alone', async () => {
    const { tab, place } = await signedIn({ redirect_uri: '/' })
    await tab.run('window.auth.logout().catch(() => {})')
    await until(tab, "window.auth?.session.status === 'signed-out'  && window.auth.session.reason === 'none'")
    expect(await tab.run('return location.href')).toBe(`${place.url}/`)
    await tab.go(`${place.url}/?state=CA&page=2#top`)
    await until(tab, "window.auth?.session.status === 'signed-out'")
    expect(await tab.run('return [window.auth.session.reason, location.href]')).toEqual([
      'none',
      `${place.url}/?state=CA&page=2#top`,
    ])
  })

  it('[C-28] a sandboxed frame gets typed errors, and ready() resolves', async () => {
    const { tab, place } = await open()
    await tab.go(`${place.url}/frame`)
    await until(tab, 'window.heard', 30_000)
    const { unexpected, ...found } = await tab.run<Record<string, string>>('return window.heard')
    expect(unexpected).toBe('')
    expect(found['ready']).toBe('unavailable')
    for (const [call, came] of Object.entries(found)) expect(`${call}: ${came}`).toMatch(typed)
  })
}
