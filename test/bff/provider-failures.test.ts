import { describe, expect, it } from 'vitest'
import type { EndpointName } from '../../src/testing/authorization-server/faults.js'
import { json, mistakes, outages, page } from '../provider/failures/faults.js'
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
  refresh,
  signIn,
  type World,
  type WorldOptions,
  type world,
} from '../world.js'

const METADATA = `${ISSUER}/.well-known/openid-configuration`
const names = { discovery: 'metadata', jwks: 'keys', push: 'pushed authorization request' } as Record<string, string>
const urls = { discovery: METADATA, push: `${ISSUER}/par` } as Record<string, string>

const detailOf = (endpoint: EndpointName, told: string) =>
  `${names[endpoint] ?? endpoint}: ${told} (${urls[endpoint] ?? `${ISSUER}/${endpoint}`})`

/** Faults of the connection are the platform’s own: msw would answer with its. */
async function direct(open: typeof world, options: WorldOptions = {}, provider: Record<string, unknown> = {}) {
  const here: World = await open(
    { fetch: (input, init) => here.as.fetch(new Request(input, init)), ...options },
    provider,
  )
  return here
}

/** The events that say whose fault it is. */
const told = ({ events }: Pick<World, 'events'>) =>
  events.filter(({ type }) => type === 'provider_unavailable' || type === 'operator_error')

const isOf = (code: 'temporarily_unavailable' | 'operator_error') =>
  code === 'operator_error' ? 'operator_error' : 'provider_unavailable'

/** GETs know no OAuth errors: their words are those of any page. */
const ofPage = (text: string) => text.replace(/^(4\d\d) ([a-z_]+)$/, '$1, "$2"')

const rows = [
  ...outages.map(([what, fault, text]) => ['temporarily_unavailable', what, fault, text] as const),
  ...mistakes.map(([what, fault, text]) => ['operator_error', what, fault, text] as const),
]

describe.each(homes)('a provider, with %s', (_home, open) => {
  const world = (options: WorldOptions = {}, provider: Record<string, unknown> = {}) => direct(open, options, provider)

  it.each(rows.filter(([, what]) => !/201|400 with|redirect to nowhere/.test(what)))(
    '[B-40][B-40 twin] whose metadata is %s: %s sends nobody away, and is read again at once',
    async (code, _what, fault, text) => {
      const here = await world()
      here.as.fail('discovery', fault)
      const { response, location } = await begin(here.tab)
      expect([response.status, (await bodyOf(response)).error, location]).toEqual([503, code, ''])
      expect(told(here)).toEqual([
        { type: isOf(code), detail: detailOf('discovery', ofPage(text).replace(/^204$/, '$&, no JSON object')) },
      ])
      expect((await signIn(here.tab)).status).toBe(200)
    },
  )

  it.each(
    ['authorization_endpoint', 'token_endpoint', 'jwks_uri'].flatMap((name) =>
      [undefined, null, 7, {}].map((value) => [name, value] as const),
    ),
  )('[B-40][B-40 twin] whose metadata has no usable %s (%j) sends nobody away', async (name, value) => {
    for (const mode of ['token-mediating', 'proxy'] as const) {
      const here = await world({ mode })
      here.as.tamper.metadata = (metadata) => ({ ...metadata, [name]: value })
      const response = mode === 'proxy' ? await here.tab.navigate(`${APP}/bff/login`) : (await begin(here.tab)).response
      expect(response.url).not.toMatch(`${ISSUER}/`)
      expect(told(here)).toEqual([{ type: 'operator_error', detail: detailOf('discovery', `200, no usable ${name}`) }])
      here.as.tamper.metadata = undefined
      if (mode === 'token-mediating') expect((await signIn(here.tab)).status).toBe(200)
    }
  })

  it('[B-40][B-40 twin] that demands pushed requests and has no endpoint for them sends nobody away', async () => {
    const here = await world({}, { par: true })
    here.as.tamper.metadata = ({ pushed_authorization_request_endpoint: _, ...metadata }) => ({
      ...metadata,
      require_pushed_authorization_requests: true,
    })
    expect((await begin(here.tab)).location).toBe('')
    const detail = detailOf('discovery', '200, no usable pushed_authorization_request_endpoint')
    expect(told(here)).toEqual([{ type: 'operator_error', detail }])
    here.as.tamper.metadata = (metadata) => ({ ...metadata, require_pushed_authorization_requests: true })
    expect((await signIn(here.tab)).status).toBe(200)
  })

  it.each([
    ['userinfo_endpoint', 'userinfo'],
    ['revocation_endpoint', 'revocation'],
    ['end_session_endpoint', 'endSession'],
    ['pushed_authorization_request_endpoint', 'pushedAuthorizationRequests'],
  ])('[B-40 twin] whose metadata has no %s is used all the same', async (name, capability) => {
    for (const value of [undefined, null, '']) {
      const { tab, as, bff } = await world()
      as.tamper.metadata = (metadata) => ({ ...metadata, [name]: value })
      expect((await signIn(tab)).status).toBe(200)
      expect((await call(tab, '/logout')).status).toBe(200)
      expect((await bff.describe()).providers[0]?.capabilities).toMatchObject({ [capability]: false })
    }
  })

  it.each([`${ISSUER}/`, 'https://another.example', 7, undefined, `${ISSUER}\u202e\n`])(
    '[B-40] whose metadata says that its issuer is %j is told with both spellings',
    async (issuer) => {
      const here = await world()
      here.as.tamper.metadata = (metadata) => ({ ...metadata, issuer })
      const { response } = await begin(here.tab)
      const known = typeof issuer === 'string'
      expect((await bodyOf(response)).error).toBe(known ? 'issuer_mismatch' : 'operator_error')
      const spelled = `${issuer}`.replace(/\P{ASCII}|\n/gu, ' ').trim()
      const detail = known
        ? `200, its issuer is "${spelled}", but the option "issuer" is "${ISSUER}"`
        : '200, no usable issuer'
      expect(told(here)).toEqual([{ type: 'operator_error', detail: detailOf('discovery', detail) }])
    },
  )

  it.each(rows)(
    '[B-40][B-40 twin] whose token endpoint answers a code with %s: %s',
    async (code, _what, fault, text) => {
      const here = await world()
      const begun = await begin(here.tab)
      const callback = await follow(here.tab, begun)
      here.as.fail('token', fault)
      const response = await redeem(here.tab, begun, callback)
      const body = await bodyOf(response)
      expect([response.status, body.error]).toEqual([503, code])
      expect(JSON.stringify(body)).not.toMatch(/invalid_client|https?:|realm/)
      expect(told(here)).toEqual([{ type: isOf(code), detail: detailOf('token', text) }])
      expect(here.browser.jar.all()).toEqual([])
      expect((await signIn(here.tab)).status).toBe(200)
    },
  )

  it.each(rows.filter(([, what]) => !/201/.test(what)))(
    '[B-40][B-40 twin] whose endpoint for pushed requests answers with %s: %s',
    async (code, _what, fault, text) => {
      const here = await world({}, { par: true })
      here.as.fail('push', fault)
      const { response, location } = await begin(here.tab)
      expect([response.status, (await bodyOf(response)).error, location]).toEqual([503, code, ''])
      // 201 is the only success.
      const status = text.replace(', no JSON object', '')
      expect(told(here)).toEqual([{ type: isOf(code), detail: detailOf('push', status) }])
      expect((await signIn(here.tab)).status).toBe(200)
    },
  )

  it.each([
    ['201, no usable request_uri', json(201, { expires_in: 60 })],
    ['201, no usable expires_in', json(201, { request_uri: 'urn:x' })],
    ['201, no JSON object', page(201)],
  ])('[B-40] whose endpoint for pushed requests answers with %s', async (text, fault) => {
    const here = await world({}, { par: true })
    here.as.fail('push', fault)
    expect((await bodyOf((await begin(here.tab)).response)).error).toBe('operator_error')
    expect(told(here)).toEqual([{ type: 'operator_error', detail: detailOf('push', text) }])
  })

  it.each([{}, { par: true }])('[B-40][B-40 twin] that knows another secret is told as that (%j)', async (provider) => {
    const here = await world({ client_secret: 'correct-horse-battery-staple-42' }, provider)
    const response = 'par' in provider ? (await begin(here.tab)).response : await signIn(here.tab)
    expect(await bodyOf(response)).toEqual({
      error: 'operator_error',
      error_description:
        'The provider refuses this client, or cannot be used as configured. The session is kept; the operator has been told.',
    })
    const detail = detailOf('par' in provider ? 'push' : 'token', '401 invalid_client, "client authentication failed"')
    expect(told(here)).toEqual([{ type: 'operator_error', detail }])
    here.restart({ client_secret: here.client_secret })
    expect((await signIn(here.tab)).status).toBe(200)
  })

  it.each<[what: string, change: (body: Record<string, unknown>) => Record<string, unknown>, flaw: string]>([
    ['no token_type', ({ token_type: _, ...body }) => body, 'no usable token_type'],
    ['token_type null', (body) => ({ ...body, token_type: null }), 'no usable token_type'],
    ['another token_type', (body) => ({ ...body, token_type: 'mac' }), 'no usable token_type'],
    ['a list of scopes', (body) => ({ ...body, scope: ['openid'] }), 'no usable scope'],
    ['no access_token', ({ access_token: _, ...body }) => body, 'no usable access_token'],
    ['an error', () => ({ error: 'invalid_grant' }), 'no usable access_token'],
    ['a lifetime that is none', (body) => ({ ...body, expires_in: 'soon' }), 'no usable expires_in'],
    ['a refresh token that is none', (body) => ({ ...body, refresh_token: 7 }), 'no usable refresh_token'],
    ['an ID Token that is none', (body) => ({ ...body, id_token: 7 }), 'no usable id_token'],
    ['an encrypted ID Token', (body) => ({ ...body, id_token: 'e30.a.b.c.d' }), 'an encrypted id_token'],
  ])('[B-40] that answers a code with %s is told by the member', async (_what, change, flaw) => {
    const here = await world()
    here.as.tamper.tokenResponse = change
    expect((await bodyOf(await signIn(here.tab))).error).toBe('operator_error')
    expect(told(here)).toEqual([{ type: 'operator_error', detail: detailOf('token', `200, ${flaw}`) }])
    expect(here.browser.jar.all()).toEqual([])
  })

  it.each(rows.filter(([, what]) => !/201|400 with/.test(what)))(
    '[B-40][B-40 twin] whose keys are %s: %s is told as one of the keys',
    async (code, _what, fault, text) => {
      const here = await world()
      here.as.fail('jwks', fault)
      expect((await bodyOf(await signIn(here.tab))).error).toBe(code)
      const flaw = ofPage(text).replace(/^(20\d)(, no JSON object)?$/, '$1, no usable keys')
      expect(told(here)).toEqual([{ type: isOf(code), detail: detailOf('jwks', flaw) }])
      expect((await signIn(here.tab)).status).toBe(200)
    },
  )

  it.each(rows.filter(([, what]) => !/201|400 (in HTML|unsupported)/.test(what)))(
    '[B-40][B-40 twin] that answers a refresh with %s: %s keeps the session, and whoever asks too early hears the same',
    async (code, _what, fault, text) => {
      const here = await world()
      await signIn(here.tab)
      for (let times = 0; times < 3; times++) {
        here.advance(301)
        here.as.fail('token', fault)
        for (let asked = 0; asked < 2; asked++) expect((await bodyOf(await refresh(here.tab))).error).toBe(code)
        const failed = here.events.filter(({ type }) => type === 'refresh_failed')
        expect(failed[times]).toMatchObject({ detail: detailOf('token', text) })
      }
      const mistake = { type: 'operator_error', detail: detailOf('token', text) }
      expect(told(here)).toEqual(code === 'operator_error' ? [mistake, mistake, mistake] : [])
      here.advance(301)
      expect((await refresh(here.tab)).status).toBe(200)
    },
  )

  it.each([
    ['HTML', page(400), '400'],
    ['nothing', { status: 400 }, '400'],
    ['another error', json(400, { error: 'invalid_request', error_description: 'bad' }), '400 invalid_request, "bad"'],
    ['a policy', json(403, { error: 'access_denied' }), '403 access_denied'],
  ])(
    '[B-40][B-40 twin] that answers a refresh with %s is told; the session is kept for one more try, or while its token lives',
    async (_what, fault, text) => {
      const here = await world()
      const mistake = { type: 'operator_error', detail: detailOf('token', text) }
      const { access_token } = await bodyOf(await signIn(here.tab))
      // While the access token lives, it is served, however often the provider says so.
      here.advance(271)
      here.as.fail('token', fault, { times: 5 })
      for (let times = 1; times <= 3; times++) {
        expect(await bodyOf(await refresh(here.tab))).toMatchObject({ access_token })
        expect(told(here)).toHaveLength(times)
        here.advance(9)
      }
      here.advance(60)
      expect(await bodyOf(await refresh(here.tab))).toMatchObject({
        error: 'invalid_grant',
        reason: 'refresh_rejected',
      })
      expect(new Set(told(here).map((event) => JSON.stringify(event)))).toEqual(new Set([JSON.stringify(mistake)]))
      // A single one costs nothing.
      const next = await world()
      await signIn(next.tab)
      next.advance(301)
      next.as.fail('token', fault)
      expect((await bodyOf(await refresh(next.tab))).error).toBe('operator_error')
      next.advance(60)
      expect((await refresh(next.tab)).status).toBe(200)
    },
  )

  it('[B-40] whose secret cannot be read is no outage of the provider', async () => {
    let secret: () => Promise<string> = () => Promise.reject(new Error('vault: token hvs.CAESIJ1'))
    const here = await world({ client_secret: () => secret() })
    expect((await bodyOf(await signIn(here.tab))).error).toBe('operator_error')
    expect(told(here)).toEqual([{ type: 'operator_error', detail: 'The client’s secret or key cannot be read' }])
    secret = async () => here.client_secret
    expect((await signIn(here.tab)).status).toBe(200)
    here.restart({ client_secret: () => Promise.reject(new Error('vault')) })
    here.advance(301)
    expect((await bodyOf(await refresh(here.tab))).error).toBe('operator_error')
    expect((await bodyOf(await look(here.tab, '/session'))).user.sub).toBe('alice')
    here.restart({ client_secret: here.client_secret })
    expect((await refresh(here.tab)).status).toBe(200)
  })

  it('[B-36] that replaces the refresh token by one that cannot be used: the end is a lost token, not a revoked one', async () => {
    for (const access_token of [undefined, null]) {
      for (const refresh_token of [7, 'a\r\nb', {}]) {
        const here = await world()
        await signIn(here.tab)
        here.as.tamper.tokenResponse = (body) => ({
          ...body,
          refresh_token,
          ...(access_token === null && { access_token }),
        })
        here.advance(301)
        expect((await refresh(here.tab)).status).toBe(access_token === null ? 503 : 200)
        here.as.tamper.tokenResponse = undefined
        if (access_token === undefined) here.restart()
        here.advance(301)
        expect(await bodyOf(await refresh(here.tab))).toMatchObject({ error: 'invalid_grant', reason: 'refresh_lost' })
      }
    }
  })

  it('[B-36 twin] that sends no new refresh token, or a good one afterwards: a revoked one is told as that', async () => {
    const here = await world({}, { leeway: 3600 })
    await signIn(here.tab)
    here.as.tamper.tokenResponse = (body) => ({ ...body, refresh_token: 7 })
    here.advance(301)
    expect((await refresh(here.tab)).status).toBe(200)
    here.as.tamper.tokenResponse = undefined
    here.advance(301)
    expect((await refresh(here.tab)).status).toBe(200)
    here.as.revoke('alice')
    here.advance(301)
    expect(await bodyOf(await refresh(here.tab))).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
  })
})
