import fc from 'fast-check'
import { mockBrowser } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import { APP, bodyOf, call, homes, ISSUER, look, signIn, world } from '../../world.js'

const letters = fc.string({ unit: fc.constantFrom(...'ab2-_'), minLength: 1, maxLength: 8 })
/** What cookies of ours have ended in, and what a port looks like. */
const endings = [
  '-2',
  '-idle',
  '-logout',
  '-tx',
  '-tx-AAAAAAAAAAAAAAAA',
  '-80',
  '-5173',
  '2',
  '-2-2',
  '_idle',
  '-login',
]
const anyName = fc.oneof(
  letters,
  fc.tuple(letters, fc.constantFrom(...endings)).map((parts) => parts.join('')),
)
const pair = fc
  .tuple(anyName, fc.oneof(anyName, fc.constantFrom(...endings)), fc.boolean())
  .map(([one, more, longer]) => [one, longer ? one + more : more] as const)
  .filter(([one, other]) => one !== other)
const places = [
  'https://localhost',
  'http://localhost',
  'http://localhost:2',
  'http://localhost:80',
  'http://localhost:5173',
]

const { another } = await world()

/** The names of an app's cookies. One that only begins in a known way stands for all that begin so. */
async function namesOf(name: string, baseUrl: string): Promise<string[]> {
  const { cookies } = await another({ name, baseUrl, loopbackCookies: baseUrl.startsWith('http:') }).describe()
  return cookies.map((cookie) => cookie.name)
}

const meet = (one: string, other: string) => {
  const [begin, like] = [one, other].map((name) => name.replace('<state>', '')) as [string, string]
  return one === other || (begin !== one && other.startsWith(begin)) || (like !== other && one.startsWith(like))
}

describe('the cookies of two apps on one host', () => {
  it('are never called alike, whatever the apps are called, over https and in development', async () => {
    await fc.assert(
      fc.asyncProperty(
        pair,
        fc.constantFrom(...places),
        fc.constantFrom(...places),
        async ([one, other], here, there) => {
          const theirs = await namesOf(other, there)
          for (const name of await namesOf(one, here))
            expect(
              theirs.filter((their) => meet(name, their)),
              `${one} at ${here}, ${other} at ${there}`,
            ).toEqual([])
        },
      ),
      { numRuns: 300 },
    )
  })

  it('are told apart by the port in development, where the apps have one name', async () => {
    const theirs = await namesOf('shop', 'http://localhost:5173')
    for (const name of await namesOf('shop', 'http://localhost:517')) expect(theirs).not.toContain(name)
  })
})

describe.each(homes)('two apps on one host, with %s', (_home, world) => {
  it.each(['shop-2', 'shop-idle', 'shop-logout', 'shop-tx'])(
    'shop and %s sign nobody out of the other',
    async (name) => {
      const { another, as, now } = await world({ name: 'shop' })
      const apps = { '/bff/': another(), '/two/': another({ name, basePath: '/two' }) }
      const browser = mockBrowser({
        now,
        origins: {
          [ISSUER]: (request) => as.fetch(request),
          [APP]: (request) =>
            apps[new URL(request.url).pathname.startsWith('/two/') ? '/two/' : '/bff/'].fetch(request),
        },
      })
      const tab = browser.newTab(`${APP}/`)
      /** The same page, of the other app. */
      const second = {
        ...tab,
        fetch: (url: string, init?: RequestInit) => tab.fetch(url.replace('/bff/', '/two/'), init),
      }
      const who = async (of: typeof tab) => (await bodyOf(await look(of, '/session'))).user?.sub
      await signIn(tab)
      as.signIn('bob')
      await signIn(second as typeof tab)
      expect([await who(tab), await who(second as typeof tab)]).toEqual(['alice', 'bob'])
      await signIn(tab)
      expect([await who(tab), await who(second as typeof tab)]).toEqual(['bob', 'bob'])
      await call(tab, '/logout')
      expect([await who(tab), await who(second as typeof tab)]).toEqual([undefined, 'bob'])
    },
  )
})
