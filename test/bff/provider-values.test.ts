import { describe, expect, it } from 'vitest'
import { API, APP, begin, bodyOf, follow, homes, ISSUER, look, redeem, refresh, signIn, type World } from '../world.js'

const OTHER = 'https://other.example.com'
const megabyte = 'x'.repeat(2 ** 20)

/** Members of a token answer that nothing can use. */
const unfit: [what: string, member: string, value: unknown][] = [
  ['a line break in the access token', 'access_token', 'a\r\nSet-Cookie: x=1'],
  ['a space in the access token', 'access_token', 'a b'],
  ['a letter beyond ASCII in the access token', 'access_token', 'a\u00e9'],
  ['NUL in the access token', 'access_token', 'a\0'],
  ['an access token of a megabyte', 'access_token', megabyte],
  ['a line break in the refresh token', 'refresh_token', 'a\nb'],
  ['a refresh token of a megabyte', 'refresh_token', megabyte],
  ['a line break in the scope', 'scope', 'openid\r\nnotes:read'],
  ['a quote in the scope', 'scope', 'openid "notes"'],
  ['a scope of a megabyte', 'scope', megabyte],
]

describe.each(homes)('what a provider answers, with %s', (_home, world) => {
  it.each(unfit)('is refused at sign-in with %s: nothing is kept of it', async (_what, member, value) => {
    const { tab, as, events, browser } = await world()
    as.tamper.tokenResponse = (body) => ({ ...body, [member]: value })
    const response = await signIn(tab)
    const text = await response.text()
    expect([response.status, JSON.parse(text).error]).toEqual([503, 'operator_error'])
    expect(text.length).toBeLessThan(300)
    expect(events).toContainEqual({
      type: 'operator_error',
      detail: expect.stringContaining(`token: 200, no usable ${member} (${ISSUER}/token)`),
    })
    expect(JSON.stringify(events)).not.toContain(JSON.stringify(value).slice(1, -1))
    expect(browser.jar.all()).toEqual([])
    delete as.tamper.tokenResponse
    expect((await signIn(tab)).status).toBe(200)
  })

  it.each(unfit)(
    'is taken for what it is worth at a refresh with %s: the session is kept',
    async (_what, member, value) => {
      const { tab, as, advance, events } = await world()
      await signIn(tab)
      advance(3600)
      as.tamper.tokenResponse = (body) => ({ ...body, [member]: value })
      const response = await refresh(tab)
      const told = [response.status, (await bodyOf(response)).error]
      expect(told).toEqual(member === 'access_token' ? [503, 'operator_error'] : [200, undefined])
      expect(events).toContainEqual({
        type: 'operator_error',
        detail: expect.stringContaining(`token: 200, no usable ${member} (${ISSUER}/token)`),
      })
      expect(JSON.stringify(events)).not.toContain(JSON.stringify(value).slice(1, -1))
      expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
      delete as.tamper.tokenResponse
      advance(3600)
      if (member !== 'refresh_token') expect((await refresh(tab)).status).toBe(200)
    },
  )

  it.each([
    [1e300, 31_536_000],
    [Number.MAX_SAFE_INTEGER, 31_536_000],
    ['1e300', 31_536_000],
    [3600, 3600],
    [1, 1],
  ])('has a lifetime of at most a year: expires_in %j is %d', async (expires_in, told) => {
    const { tab, as } = await world()
    as.tamper.tokenResponse = (body) => ({ ...body, expires_in })
    expect((await bodyOf(await signIn(tab))).expires_in).toBe(told)
  })

  it.each(['refresh_token', 'expires_in', 'scope', 'unknown'])(
    'has no %s at sign-in where it says null',
    async (name) => {
      const { tab, as } = await world()
      as.tamper.tokenResponse = (body) => ({ ...body, [name]: null })
      expect((await signIn(tab)).status).toBe(200)
      expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    },
  )

  it.each([-1, -1e300, 'soon', 'NaN', {}, [], true])(
    'is refused with a lifetime that is none: %j',
    async (expires_in) => {
      const { tab, as, browser } = await world()
      as.tamper.tokenResponse = (body) => ({ ...body, expires_in })
      const response = await signIn(tab)
      expect(response.status).toBe(503)
      expect(browser.jar.all()).toEqual([])
    },
  )

  it('is never reflected: an error of a megabyte, or one that is no code, is “unknown”', async () => {
    for (const error of [megabyte, '<script>alert(1)</script>', 'a b', 'invalid_grant\r\nX: y', 'secret-token-value']) {
      let said: Record<string, unknown> | undefined
      const here: World = await world({
        fetch: async (input, init) => {
          const { pathname } = new URL(input instanceof Request ? input.url : `${input}`)
          return said && pathname.endsWith('/token') ? Response.json(said, { status: 400 }) : here.as.fetch(input, init)
        },
      })
      const begun = await begin(here.tab)
      const callback = await follow(here.tab, begun)
      said = { error, error_description: megabyte }
      const text = await (await redeem(here.tab, begun, callback)).text()
      expect(JSON.parse(text)).toEqual({
        error: 'invalid_grant',
        error_description: 'The provider refused the code: unknown',
      })
      said = undefined
      await signIn(here.tab)
      here.advance(3600)
      said = { error, error_description: megabyte }
      const answer = await (await refresh(here.tab)).text()
      for (const seen of [answer, JSON.stringify(here.events)]) {
        expect(seen).not.toContain(JSON.stringify(error).slice(1, -1))
        expect(seen.length).toBeLessThan(5000)
      }
    }
  })

  it('is no claim of a megabyte from UserInfo', async () => {
    const { tab, as, eventTypes } = await world({ claims: ['sub', 'picture'], resources: {} })
    as.tamper.userinfo = (claims) => ({ ...claims, picture: `data:${megabyte}` })
    const { user } = await bodyOf(await signIn(tab))
    expect(user).toEqual({ sub: 'alice' })
    expect(eventTypes()).toContain('userinfo_failed')
  })
})

describe.each(homes)('a provider that ignores resource, with %s', (_home, open) => {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = (claims: object) => `${encoded({ alg: 'RS256' })}.${encoded(claims)}.c2ln`

  /** The provider's side of the network, where nobody looks at `resource`. */
  async function ignoring(as: World['as'], request: Request): Promise<Response> {
    const form = new URLSearchParams(request.method === 'POST' ? await request.text() : '')
    if (!form.size) return as.fetch(request)
    if (form.get('grant_type') === 'refresh_token') form.delete('resource')
    return as.fetch(new Request(request.url, { method: 'POST', headers: request.headers, body: form }))
  }

  /** Alice, in proxy mode, before two APIs; every token is for `aud`. */
  async function scene(aud: unknown, token?: string) {
    const seen: string[] = []
    const here: World = await open({
      mode: 'proxy',
      routes: {
        notes: { upstream: `${API}/v1`, resource: API },
        other: { upstream: `${OTHER}/v1`, resource: OTHER },
        usual: { upstream: `${API}/v2` },
      },
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (new URL(request.url).origin === ISSUER) return ignoring(here.as, request)
        seen.push(request.url)
        return Response.json({ authorization: request.headers.get('authorization') })
      },
    })
    await here.tab.navigate(`${APP}/bff/login`)
    here.as.tamper.tokenResponse = (body) => ({ ...body, access_token: token ?? jwt({ aud }) })
    const ask = (path: string) => here.tab.fetch(`/bff/api${path}`, { headers: { 'Sallyport-CSRF': '1' } })
    return { ...here, bff: here.bff, seen, ask }
  }

  it.each([API, [API], `${API}/`, 'https://API.example.com:443', [API, 'https://userinfo.example']])(
    '[P-16] never has the token of one API sent to another: aud %j',
    async (aud) => {
      const { ask, seen, events, bff } = await scene(aud)
      const refused = await ask('/other/x')
      expect([refused.status, await bodyOf(refused)]).toEqual([
        400,
        {
          error: 'invalid_target',
          error_description: 'The provider has issued a token for another API than the requested one.',
        },
      ])
      expect(seen).toEqual([])
      expect(events).toContainEqual({ type: 'resource_ignored', resource: [OTHER] })
      expect((await bff.describe()).limits.join()).toContain(`The provider ignores resource: for ${OTHER}`)
      for (const path of ['/notes/x', '/usual/x']) expect((await ask(path)).status, path).toBe(200)
    },
  )

  it.each([[OTHER], [[API, OTHER]], ['https://elsewhere.example'], [undefined], [7]])(
    '[P-16 twin] has one sent that is for it, for both, or for nothing that is known: aud %j',
    async (aud) => {
      const { ask, events } = await scene(aud)
      expect((await ask('/other/x')).status).toBe(200)
      expect(events.some(({ type }) => type === 'resource_ignored')).toBe(false)
    },
  )

  it.each(['opaque', 'a.b', 'a.b.c', 'e30.W10.x', `${'a.'.repeat(50)}a`])(
    '[P-16 twin] has one sent that cannot be read: %s',
    async (token) => {
      const { ask } = await scene(undefined, token)
      expect((await bodyOf(await ask('/other/x'))).authorization).toBe(`Bearer ${token}`)
    },
  )

  it('[P-16] hands none to a page that asked for another one’s, which would send it there', async () => {
    const here: World = await open({ fetch: (input, init) => ignoring(here.as, new Request(input, init)) })
    const { tab, as, events } = here
    await signIn(tab)
    as.tamper.tokenResponse = (body) => ({ ...body, access_token: jwt({ aud: API }) })
    const refused = await refresh(tab, { resource: OTHER })
    expect([refused.status, (await bodyOf(refused)).error]).toEqual([400, 'invalid_target'])
    expect(events).toContainEqual({ type: 'resource_ignored', resource: [OTHER] })
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })
})
