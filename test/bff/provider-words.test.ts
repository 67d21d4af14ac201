import { describe, expect, it } from 'vitest'
import { json } from '../provider/failures/faults.js'
import {
  APP,
  begin,
  bodyOf,
  call,
  follow,
  homes,
  ISSUER,
  redeem,
  refresh,
  signIn,
  type World,
  world,
} from '../world.js'

describe.each(homes)('what a provider says, with %s', (_home, world) => {
  /** Repeats what it got, and more. */
  function echoing(here: World, sent: string[]): typeof fetch {
    return async (input, init) => {
      const request = new Request(input, init)
      const form = new URLSearchParams(request.method === 'POST' ? await request.clone().text() : '')
      const basic = request.headers.get('authorization')?.slice(6) ?? ''
      if (!echoed.on || request.method !== 'POST') return here.as.fetch(request)
      const secrets = [...form].flatMap(([name, value]) =>
        /^(code|code_verifier|token|refresh_token)$/.test(name) ? [value] : [],
      )
      const [, encoded = ''] = atob(basic).split(':')
      sent.push(...secrets, basic, encoded, decodeURIComponent(encoded.replaceAll('+', ' ')))
      return Response.json(
        { error: echoed.error, error_description: `Words. ${sent.join(' ')}` },
        { status: 400, headers: { 'WWW-Authenticate': `Basic realm="${basic}"` } },
      )
    }
  }
  const echoed = { on: false, error: 'invalid_request' }

  it.each(['invalid_request', 'invalid_grant', 'invalid_client'])(
    '[B-40] reaches the operator without a secret, and the page not at all (%s)',
    async (error) => {
      const sent: string[] = []
      Object.assign(echoed, { on: false, error })
      // Short, of words, and by chance in no other text.
      const client_secret = 'quux corge'
      const clients = [{ client_id: 'notes', client_secret, redirect_uris: [`${APP}/callback`] }]
      const here: World = await world(
        { client_secret, fetch: (input, init) => echoing(here, sent)(input, init) },
        { clients },
      )
      const begun = await begin(here.tab)
      const callback = await follow(here.tab, begun)
      echoed.on = true
      const answers = [await (await redeem(here.tab, begun, callback)).text()]
      echoed.on = false
      expect((await signIn(here.tab)).status).toBe(200)
      here.advance(301)
      echoed.on = true
      answers.push(await (await refresh(here.tab)).text(), await (await call(here.tab, '/logout')).text())
      echoed.on = false
      expect(sent.length).toBeGreaterThan(5)
      const events = JSON.stringify(here.events)
      expect(events).toContain('Words.')
      expect(answers.join()).not.toContain('Words')
      for (const secret of sent) if (secret) expect(events + answers.join()).not.toContain(secret)
      for (const { detail = '' } of here.events as { detail?: string }[]) expect(detail.length).toBeLessThan(400)
    },
  )

  it('[B-40] of a refused authorization reaches the operator of a proxy', async () => {
    const here = await world({ mode: 'proxy' })
    here.as.deny({ error_description: 'You may not do that' })
    const { response } = await here.tab.navigate(`${APP}/bff/login`)
    const said = 'You may not do that'
    expect(here.events).toContainEqual({ type: 'sign_in_refused', error: 'access_denied', detail: said })
    expect(await response.text()).not.toContain(said)
  })

  it('[B-40] of the end of a session stands in the event', async () => {
    const here = await world()
    await signIn(here.tab)
    here.as.revoke('alice')
    here.advance(301)
    expect((await bodyOf(await refresh(here.tab))).reason).toBe('revoked')
    const detail = `token: 400 invalid_grant, "the refresh token is revoked" (${ISSUER}/token)`
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'refresh_failed', status: 400, detail }))
  })

  it('of a code that is refused stands in the event of the request', async () => {
    const here = await world()
    const begun = await begin(here.tab)
    const callback = await follow(here.tab, begun)
    await redeem(here.tab, begun, callback, { code: 'another' })
    const detail = `token: 400 invalid_grant, "unknown authorization code" (${ISSUER}/token)`
    expect(here.events).toContainEqual(
      expect.objectContaining({ type: 'request_refused', error: 'invalid_grant', detail }),
    )
  })
})

describe('what the operator is told', () => {
  it('of UserInfo: why there is none', async () => {
    for (const [fault, told] of [
      [{ status: 500 }, '500'],
      [json(401, {}, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }), '401, "Bearer error="invalid_token""'],
      [{ status: 200, body: 'text' }, '200, no JSON object'],
      [json(200, { name: 'Alice' }), '200, no usable sub'],
      [json(200, { sub: 'alice', name: 'x'.repeat(70_000) }), '200, more than 65536 characters'],
      ['refused', 'no response, ECONNREFUSED'],
    ] as const) {
      const here: World = await world({
        resources: {},
        fetch: (input, init) => here.as.fetch(new Request(input, init)),
      })
      here.as.fail('userinfo', fault)
      expect((await signIn(here.tab)).status).toBe(200)
      expect(here.events).toContainEqual({ type: 'userinfo_failed', detail: `userinfo: ${told} (${ISSUER}/userinfo)` })
    }
  })

  it('of a revocation that has failed: why', async () => {
    const here = await world()
    await signIn(here.tab)
    here.as.fail('revocation', json(400, { error: 'unsupported_token_type', error_description: 'no such type' }))
    await call(here.tab, '/logout')
    const detail = `revocation: 400 unsupported_token_type, "no such type" (${ISSUER}/revoke)`
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'revocation_failed', detail }))
  })

  it('of an authorization response of another issuer: both spellings', async () => {
    const here = await world()
    const begun = await begin(here.tab)
    const callback = await follow(here.tab, begun)
    expect((await bodyOf(await redeem(here.tab, begun, callback, { iss: `${ISSUER}/\n` }))).error).toBe(
      'issuer_mismatch',
    )
    const detail = `The authorization response is from "${ISSUER}/", but the option "issuer" is "${ISSUER}"`
    expect(here.events).toContainEqual(
      expect.objectContaining({ type: 'request_refused', error: 'issuer_mismatch', detail }),
    )
  })

  it('of a refused request: what was wrong with it', async () => {
    const here = await world()
    await call(here.tab, '/token', { grant_type: 'refresh_token', what: 'x' })
    await call(here.tab, '/token', { grant_type: 'password' })
    const [unknown, grant] = here.events.filter(({ type }) => type === 'request_refused')
    expect(unknown).toMatchObject({ error: 'invalid_request', detail: 'A parameter is unknown.' })
    // The code says it all.
    expect(grant).toEqual({
      type: 'request_refused',
      error: 'unsupported_grant_type',
      method: 'POST',
      path: '/bff/token',
    })
  })
})
