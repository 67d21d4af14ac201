import { describe, expect, it } from 'vitest'
import {
  APP,
  begin,
  bodyOf,
  call,
  follow,
  homes,
  look,
  redeem,
  refresh,
  type World,
  type WorldOptions,
} from '../../world.js'
import { clients } from './clients.js'
import type { Dialect, Signing } from './dialect.js'
import { issuers } from './issuers.js'
import { keys } from './keys.js'
import { tokens } from './tokens.js'

const dialects: readonly Dialect[] = [...tokens, ...keys, ...issuers, ...clients]

const API = 'https://api.example.com'

const proxyOptions: WorldOptions = {
  mode: 'proxy',
  routes: { notes: { upstream: `${API}/v1` } },
}

/** The API of the proxy answers with the token that it got; everything else is the provider. */
const proxyFetch = (here: () => World) =>
  (async (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init)
    if (new URL(request.url).origin !== API) return here().as.fetch(request)
    return new Response(null, { status: request.headers.has('authorization') ? 204 : 401 })
  }) as typeof fetch

/** The `error` of a sign-in in token-mediating mode. */
async function signInByPage({ tab }: World): Promise<string | undefined> {
  const begun = await begin(tab)
  const response = begun.response.ok ? await redeem(tab, begun, await follow(tab, begun)) : begun.response
  return response.ok ? undefined : (await bodyOf(response)).error
}

/** The `error` of a sign-in in proxy mode, from the event: the page for the user has no codes. */
async function signInByProxy({ tab, events }: World): Promise<string | undefined> {
  const before = events.length
  const { url } = await tab.navigate(`${APP}/bff/login`)
  if (new URL(url).pathname === '/') return undefined
  const refused = events.slice(before).find((event) => event.type === 'request_refused')
  return refused?.type === 'request_refused' ? refused.error : url
}

const modes = ['token-mediating', 'proxy'] as const

async function open({ options, provider, speak }: Dialect, mode: (typeof modes)[number], home: (typeof homes)[number]) {
  const [, world] = home
  const proxy = mode === 'proxy'
  const here: World = await world(
    { ...(proxy && { ...proxyOptions, fetch: proxyFetch(() => here) }), ...options },
    provider,
  )
  await speak?.(here)
  const again = () => (proxy ? signInByProxy(here) : signInByPage(here))
  const scene: Signing = {
    ...here,
    bff: here.bff,
    again,
    session: async () => bodyOf(await look(here.tab, '/session')),
    refresh: async () => (proxy ? await look(here.tab, '/api/notes/list') : await refresh(here.tab)).status,
  }
  return scene
}

describe.each(modes)('providers in %s mode', (mode) => {
  describe.each(homes)('with %s', (...home) => {
    const spoken = dialects.filter((dialect) => dialect.mode === undefined || dialect.mode === mode)
    it.each(spoken.map((dialect) => [`${dialect.name} ${dialect.quirk}: ${dialect.must}`, dialect] as const))(
      '%s',
      async (_title, dialect) => {
        const here = await open(dialect, mode, home)
        expect(await here.again()).toBe(dialect.refused)
        expect((await here.session()).user?.sub).toBe(dialect.refused === undefined ? 'alice' : undefined)
        await dialect.check?.(here)
        if (dialect.refused !== undefined) return
        for (let hours = 0; hours < 3; hours++) {
          here.advance(3600)
          expect(await here.refresh()).toBe(mode === 'proxy' ? 204 : 200)
        }
        expect(here.as.grants.refresh_token).toBeGreaterThanOrEqual(3)
        expect((await call(here.tab, '/logout')).status).toBe(200)
      },
    )
  })
})
