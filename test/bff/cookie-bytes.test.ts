import type { Bff } from 'sallyport/bff'
import { mockBrowser } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import {
  APP,
  begin,
  bodyOf,
  call,
  follow,
  homes,
  ISSUER,
  look,
  redeem,
  signIn,
  type Tab,
  type World,
  type WorldOptions,
} from '../world.js'

const SESSION = '__Host-Http-sallyport'
/** A sibling of the app, which can set cookies for the domain that both are under. */
const SIBLING = 'https://blog.example.com'

/** What differs from a name by one byte. */
const almost: [what: string, change: (name: string) => string][] = [
  ['0xA0 before it', (name) => `\xa0${name}`],
  ['0xA0 after it', (name) => `${name}\xa0`],
  ['0x85 before it', (name) => `\x85${name}`],
  ['0x85 after it', (name) => `${name}\x85`],
  ['vertical tab before it', (name) => `\x0b${name}`],
  ['both bytes of U+00A0 before it', (name) => `\xc2\xa0${name}`],
  ['another case', (name) => name.replace('Host', 'host')],
  ['another case at its end', (name) => name.replace('port', 'porT')],
  ['a letter before it', (name) => `x${name}`],
  ['a letter after it', (name) => `${name}x`],
  ['a dot after it', (name) => `${name}.`],
  ['a quote around it', (name) => `"${name}"`],
  ['an encoded letter', (name) => name.replace('_', '%5f')],
]

/** A backend, the browser of an attacker, and that of somebody whom a sibling's page wants to be the attacker. */
async function scene(open: (typeof homes)[number][1], options: WorldOptions = {}) {
  const here: World = await open(options)
  let planted = ''
  const browser = mockBrowser({
    now: here.now,
    origins: {
      [APP]: (request) => here.bff.fetch(request),
      [ISSUER]: (request) => here.as.fetch(request),
      [SIBLING]: () => new Response('', { headers: { 'Set-Cookie': planted } }),
    },
  })
  return {
    bff: here.bff,
    as: here.as,
    attacker: here.tab,
    /** The attacker's own cookies, under other names. */
    theirs: (change: (name: string) => string) =>
      here.browser.jar.all().map(({ name, value }): [string, string] => [change(name), value]),
    tab: browser.newTab(`${APP}/`),
    sent: () => browser.jar.header(`${APP}/`) ?? '',
    /** A page of the sibling is looked at. */
    async plant(...pairs: [name: string, value: string][]) {
      for (const pair of pairs) {
        planted = `${pair.join('=')}; Domain=example.com; Path=/; Secure; HttpOnly; Max-Age=600`
        await browser.newTab(`${SIBLING}/`).navigate(`${SIBLING}/`)
      }
    },
  }
}

const written = (pairs: readonly [string, string][]) => pairs.map((pair) => pair.join('=')).join('; ')

const who = async (tab: Tab) => (await bodyOf(await look(tab, '/session'))).user?.sub

/** Asks who is here, with just these bytes as cookies. */
async function asked(bff: Bff, Cookie: string) {
  const response = await bff.fetch(new Request(`${APP}/bff/session`, { headers: { 'Sallyport-CSRF': '1', Cookie } }))
  return { user: (await bodyOf(response)).user, set: response.headers.getSetCookie() }
}

/** The transaction cookie that an answer sets. */
function transactionOf(response: Response): [name: string, value: string] {
  const [pair = ''] =
    response.headers
      .getSetCookie()
      .find((line) => line.includes('.tx.'))
      ?.split(';') ?? []
  return [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
}

describe.each(homes)('a cookie whose name is almost ours, with %s', (_home, open) => {
  it('[B-30] signs nobody in whom a sibling gives one, and sets nobody aside who is signed in', async () => {
    const { attacker, theirs, tab, plant, sent, as } = await scene(open)
    await signIn(attacker)
    const disguised = theirs((name) => `\xa0${name}`)
    await plant(...disguised)
    // A browser keeps it, past the prefix, and sends it as it is.
    expect(sent()).toBe(written(disguised))
    expect(sent()).toContain(`\xa0${SESSION}=`)
    expect(await who(tab)).toBeUndefined()
    as.signIn('bob')
    await signIn(tab)
    expect(sent()).toContain('\xa0')
    expect(await who(tab)).toBe('bob')
    await plant(...theirs((name) => `\x85${name}`))
    expect(await who(tab)).toBe('bob')
    // Nor is it ours to clear.
    await call(tab, '/logout')
    expect(await who(tab)).toBeUndefined()
    expect(sent()).toContain('\x85')
  })

  it('[B-30] finishes no sign-in that somebody else began', async () => {
    const { attacker, tab, plant, sent } = await scene(open)
    const begun = await begin(attacker)
    const callback = await follow(attacker, begun)
    const [name, value] = transactionOf(begun.response)
    await plant([`\xa0${name}`, value])
    expect(sent()).toBe(`\xa0${name}=${value}`)
    const refused = await redeem(tab, begun, callback)
    expect([refused.status, (await bodyOf(refused)).error]).toEqual([400, 'invalid_grant'])
    expect(await who(tab)).toBeUndefined()
    expect((await redeem(attacker, begun, callback)).status).toBe(200)
  })

  it('[B-30] finishes none in proxy mode either, where it is a navigation', async () => {
    const { as, bff, tab, plant } = await scene(open, { mode: 'proxy' })
    const begun = await bff.fetch(new Request(`${APP}/bff/login`))
    const [name, value] = transactionOf(begun)
    const { headers } = await as.fetch(new Request(begun.headers.get('location') ?? '', { redirect: 'manual' }))
    const back = headers.get('location') ?? ''
    expect(back).toContain(`${APP}/bff/callback?code=`)
    await plant([`\xa0${name}`, value])
    expect((await tab.navigate(back)).response.status).toBe(400)
    expect(await who(tab)).toBeUndefined()
    // With the cookie itself it is the attacker's own sign-in.
    const own = await bff.fetch(new Request(back, { headers: { Cookie: `${name}=${value}` } }))
    expect([own.status, own.headers.get('location')]).toEqual([303, '/'])
  })

  it('[B-30] is none, alone and beside ours, whatever the byte is', async () => {
    const { attacker, theirs, tab, sent, bff, as } = await scene(open)
    await signIn(attacker)
    as.signIn('bob')
    await signIn(tab)
    for (const [what, change] of almost) {
      const disguised = written(theirs(change))
      expect(await asked(bff, disguised), what).toEqual({ user: null, set: [] })
      for (const both of [`${disguised}; ${sent()}`, `${sent()}; ${disguised}`])
        expect((await asked(bff, both)).user?.sub, what).toBe('bob')
    }
    // Of two that have one name, neither is believed.
    const own = written(theirs((name) => name))
    for (const two of [`${own}; ${sent()}`, `${sent()};\t${own.replace('=', ' =')}`])
      expect((await asked(bff, two)).user, two.slice(0, 30)).toBeNull()
    expect((await asked(bff, own)).user.sub).toBe('alice')
  })

  it('[B-30 twin] is ours with spaces and tabs around it, as HTTP has them, and in any place', async () => {
    const { tab, sent, bff } = await scene(open)
    await signIn(tab)
    for (const around of [
      (pair: string) => pair,
      (pair: string) => `a=1;${pair};b=2`,
      (pair: string) => `a=1 ; \t${pair.replace('=', ' \t=\t ')}\t ;b`,
      (pair: string) => `=${SESSION}; ${SESSION}x=1; ${pair}`,
    ])
      expect((await asked(bff, sent().split('; ').map(around).join(';'))).user?.sub).toBe('alice')
  })
})
