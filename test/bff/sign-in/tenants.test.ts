import { type BffOptions, createBff } from 'sallyport/bff'
import { generateKeys } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import {
  APP,
  begin,
  bodyOf,
  homes,
  ISSUER,
  look,
  randomKey,
  refresh,
  signIn,
  type World,
  type WorldOptions,
} from '../../world.js'

const ACME = '1f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'
const OTHER = '2f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'
const TEMPLATE = `${ISSUER}/{tenantid}/v2.0`
const METADATA = `${ISSUER}/.well-known/openid-configuration`
const issuerOf = (tid: string) => `${ISSUER}/${tid}/v2.0`

type Claims = Record<string, unknown>

/** A provider of many tenants. `claims` change those of an ID Token of Acme, `iss` that of the authorization response. */
async function scene(
  open: (typeof homes)[number][1],
  { claims = {}, options = {}, iss }: { claims?: Claims; options?: WorldOptions; iss?: string | undefined } = {},
) {
  const here: World = await open({ issuer: TEMPLATE, metadataUrl: METADATA, tenants: [ACME], ...options })
  const { as } = here
  const state = { claims, iss }
  as.tamper.metadata = (json) => ({
    ...json,
    issuer: TEMPLATE,
    authorization_response_iss_parameter_supported: state.iss !== undefined,
  })
  as.tamper.idToken = (given, header) => ({
    claims: { ...given, iss: issuerOf(ACME), tid: ACME, ...state.claims },
    header,
  })
  as.tamper.authorizationResponse = (parameters) => {
    parameters.delete('iss')
    if (state.iss !== undefined) parameters.set('iss', state.iss)
    return parameters
  }
  return { ...here, bff: here.bff, state }
}

const send = (bff: World['bff'], token: string) =>
  bff.fetch(
    new Request(`${APP}/bff/backchannel-logout`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `logout_token=${token}`,
    }),
  )

const refusals: readonly [what: string, claim: string, claims: Claims][] = [
  ['of another tenant than its own tid', 'tid', { iss: issuerOf(ACME), tid: OTHER }],
  ['without tid', 'tid', { tid: undefined }],
  ['whose tid is a list', 'tid', { tid: [ACME] }],
  ['whose tid is in capitals', 'tid', { tid: ACME.toUpperCase() }],
  ['of a tenant that is not on the list', 'tid', { iss: issuerOf(OTHER), tid: OTHER }],
  ['of a tenant in capitals', 'iss', { iss: issuerOf(ACME.toUpperCase()), tid: ACME.toUpperCase() }],
  ['with the template itself', 'iss', { iss: TEMPLATE }],
  ['with the template itself, twice', 'iss', { iss: TEMPLATE, tid: '{tenantid}' }],
  ['of “common”', 'iss', { iss: issuerOf('common'), tid: 'common' }],
  ['of two tenants', 'iss', { iss: issuerOf(`${ACME}/${ACME}`), tid: `${ACME}/${ACME}` }],
  ['of no tenant', 'iss', { iss: issuerOf(''), tid: '' }],
  ['of a longer path', 'iss', { iss: `${issuerOf(ACME)}/` }],
  ['of another host', 'iss', { iss: issuerOf(ACME).replace('login', 'evil') }],
]

describe.each(homes)('an issuer of many tenants, with %s', (_home, open) => {
  it.each(refusals)('[C-03] refuses an ID Token %s', async (_what, claim, claims) => {
    for (const tenants of [[ACME], async (tid: string) => tid === ACME]) {
      const { tab, browser, events } = await scene(open, { claims, options: { tenants } })
      const response = await signIn(tab)
      const body = await bodyOf(response)
      expect([response.status, body.error]).toEqual([400, 'id_token_invalid'])
      expect(body.claim).toBe(claim)
      expect(browser.jar.all()).toEqual([])
      expect(events.some(({ type }) => type === 'signed_in')).toBe(false)
    }
  })

  it('asks a function, with verified claims, before there is a session', async () => {
    const asked: unknown[] = []
    let answer: unknown = true
    const tenants = (tid: string, { tid: own, iss, sub }: Claims) => {
      asked.push([tid, own, iss, sub])
      if (answer instanceof Error) throw answer
      return answer as boolean
    }
    const { tab, browser, events } = await scene(open, { options: { tenants } })
    const known = [ACME, ACME, issuerOf(ACME), 'alice']
    expect((await signIn(tab)).status).toBe(200)
    for (answer of [false, undefined, 'yes', 1, {}]) {
      const response = await signIn(browser.newTab(`${APP}/`))
      expect([response.status, await bodyOf(response)]).toMatchObject([
        400,
        { error: 'id_token_invalid', claim: 'tid' },
      ])
    }
    answer = new Error('database down')
    const response = await signIn(tab)
    expect([response.status, (await bodyOf(response)).error]).toEqual([503, 'temporarily_unavailable'])
    expect(JSON.stringify(events)).not.toContain('database')
    expect(asked).toEqual(Array.from({ length: 7 }, () => known))
    expect(events).toContainEqual({
      type: 'id_token_refused',
      claim: 'tid',
      detail: `the tenant ${ACME} may not sign in`,
    })
    // None of them has cost the session that there was.
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('keeps people of two tenants with one sub apart', async () => {
    const { tab, device, state, events } = await scene(open, { options: { tenants: [ACME, OTHER] } })
    await signIn(tab)
    state.claims = { iss: issuerOf(OTHER), tid: OTHER }
    const other = device()
    await signIn(other)
    const one = await bodyOf(await look(tab, '/session'))
    const two = await bodyOf(await look(other, '/session'))
    expect(one.user).toEqual(two.user)
    expect(one.user_digest).not.toBe(two.user_digest)
    expect(events.flatMap((event) => (event.type === 'signed_in' ? event.iss : []))).toEqual([
      issuerOf(ACME),
      issuerOf(OTHER),
    ])
  })

  it('[C-25] lets nobody of another tenant finish a step-up, though the sub is the same', async () => {
    const { tab, state } = await scene(open, { options: { tenants: [ACME, OTHER] } })
    await signIn(tab)
    expect((await signIn(tab, { max_age: '0' })).status).toBe(200)
    state.claims = { iss: issuerOf(OTHER), tid: OTHER }
    expect((await bodyOf(await signIn(tab, { max_age: '0' }))).error).toBe('subject_mismatch')
  })

  it('[B-36] ends a session whose refresh brings an ID Token of another tenant', async () => {
    const { tab, state, advance } = await scene(open, { options: { tenants: [ACME, OTHER] } })
    await signIn(tab)
    advance(3600)
    expect((await refresh(tab)).status).toBe(200)
    advance(3600)
    state.claims = { iss: issuerOf(OTHER), tid: OTHER }
    expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
  })

  it.each([
    ['the same', issuerOf(ACME), 200],
    ['another allowed tenant’s', issuerOf(OTHER), 400],
    ['the template', TEMPLATE, 400],
    ['any tenant’s', issuerOf('3f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'), 400],
    ['another provider’s', 'https://evil.example', 400],
  ])(
    'compares the iss of the authorization response (RFC 9207) with that of the ID Token: %s',
    async (_what, iss, status) => {
      const { tab } = await scene(open, { iss, options: { tenants: [ACME, OTHER] } })
      const response = await signIn(tab)
      expect(response.status).toBe(status)
      if (status === 400) expect((await bodyOf(response)).error).toBe('issuer_mismatch')
    },
  )

  it.each([
    ['no issuer', undefined, true],
    ['the template', TEMPLATE, true],
    ['that of this tenant', issuerOf(ACME), true],
    ['that of another tenant', issuerOf(OTHER), false],
    ['another one', 'https://evil.example', false],
    ['no text', 7, false],
  ])('uses a key that has %s as its own “issuer” member', async (_what, issuer, good) => {
    const { tab, as } = await scene(open)
    const { keys } = await bodyOf(await as.fetch(`${ISSUER}/jwks`))
    as.fail(
      'jwks',
      { status: 200, body: JSON.stringify({ keys: keys.map((key: object) => ({ ...key, issuer })) }) },
      { times: 9 },
    )
    expect(await bodyOf(await signIn(tab))).toMatchObject(
      good ? { token_type: 'Bearer' } : { error: 'id_token_invalid', claim: 'signature' },
    )
  })

  it('uses of several keys with one kid only those of this tenant', async () => {
    const strangers = (await generateKeys()).map(({ publicJwk }) => publicJwk)
    for (const own of [issuerOf(ACME), issuerOf(OTHER)]) {
      const { tab, as } = await scene(open)
      const { keys } = await bodyOf(await as.fetch(`${ISSUER}/jwks`))
      const another = own === issuerOf(ACME) ? issuerOf(OTHER) : issuerOf(ACME)
      const both = keys.flatMap((key: { kid: string }, at: number) => [
        { ...strangers[at], kid: key.kid, issuer: another },
        { ...key, issuer: own },
      ])
      as.fail('jwks', { status: 200, body: JSON.stringify({ keys: both }) }, { times: 9 })
      expect(await bodyOf(await signIn(tab))).toMatchObject(
        own === issuerOf(ACME) ? { token_type: 'Bearer' } : { error: 'id_token_invalid', claim: 'signature' },
      )
    }
  })

  it('[C-10] compares the template with the document, character for character', async () => {
    for (const issuer of [issuerOf(ACME), `${ISSUER}/{TenantId}/v2.0`, `${TEMPLATE}/`, ISSUER]) {
      const { tab, as } = await scene(open)
      as.tamper.metadata = (json) => ({ ...json, issuer })
      const { response, location } = await begin(tab)
      expect([(await bodyOf(response)).error, location]).toEqual(['issuer_mismatch', ''])
    }
  })
})

describe('sign-out by a provider of many tenants', () => {
  const [, [, open]] = homes

  it('[B-17][B-18] ends the session of that tenant alone', async () => {
    const { tab, device, bff, as, state } = await scene(open, { options: { tenants: [ACME, OTHER] } })
    await signIn(tab)
    state.claims = { iss: issuerOf(OTHER), tid: OTHER }
    const other = device()
    await signIn(other)
    const token = (iss: string) =>
      as.logoutToken('notes', {
        sub: 'alice',
        tamper: (claims, header) => ({ claims: { ...claims, iss }, header }),
      })
    for (const iss of [TEMPLATE, ISSUER, issuerOf('common'), issuerOf('3f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90')])
      expect((await send(bff, await token(iss))).status, iss).toBe(400)
    expect((await send(bff, await token(issuerOf(ACME)))).status).toBe(200)
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    expect((await bodyOf(await look(other, '/session'))).user.sub).toBe('alice')
  })

  it('is refused with a key of another tenant', async () => {
    const { tab, bff, as, advance } = await scene(open, { options: { tenants: [ACME, OTHER] } })
    await signIn(tab)
    const { keys } = await bodyOf(await as.fetch(`${ISSUER}/jwks`))
    const body = JSON.stringify({ keys: keys.map((key: object) => ({ ...key, issuer: issuerOf(OTHER) })) })
    as.fail('jwks', { status: 200, body }, { times: 9 })
    advance(4000)
    const token = await as.logoutToken('notes', {
      sub: 'alice',
      tamper: (claims, header) => ({ claims: { ...claims, iss: issuerOf(ACME) }, header }),
    })
    expect(await bodyOf(await send(bff, token))).toMatchObject({ error: 'invalid_request', claim: 'signature' })
  })

  it('needs iss to end all sessions of a user', async () => {
    const { tab, bff } = await scene(open)
    await signIn(tab)
    await expect(bff.endSessions({ sub: 'alice' })).rejects.toThrow('endSessions: "iss" is missing')
    expect(await bff.endSessions({ sub: 'alice', iss: issuerOf(ACME) })).toBe(1)
  })
})

describe('the options of an issuer', () => {
  const base = { client_id: 'notes', client_secret: randomKey(), baseUrl: APP, cookieKeys: [randomKey()] }
  const create = (options: object) => () => createBff({ ...base, ...options } as unknown as BffOptions)

  it.each([
    [{ issuer: TEMPLATE, tenants: [ACME] }, '"metadataUrl" is missing'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA }, '"tenants" and an issuer with "{tenantid}" need each other'],
    [{ issuer: ISSUER, tenants: [ACME] }, '"tenants" and an issuer with "{tenantid}" need each other'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA, tenants: [] }, '"tenants" must be a list of 1 or more'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA, tenants: 'any' }, '"tenants" must be a list of 1 or more'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA, tenants: true }, '"tenants" must be a list of 1 or more'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA, tenants: ['any'] }, '"tenants" names "any"'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA, tenants: ['*'] }, '"tenants" names "*"'],
    [{ issuer: TEMPLATE, metadataUrl: METADATA, tenants: [ACME.toUpperCase()] }, '"tenants" names'],
    [{ issuer: `${ISSUER}/{tenant}/v2.0`, metadataUrl: METADATA, tenants: [ACME] }, '"issuer" may have one place'],
    [{ issuer: `${TEMPLATE}{tenantid}`, metadataUrl: METADATA, tenants: [ACME] }, '"issuer" may have one place'],
    [{ issuer: '{tenantid}', metadataUrl: METADATA, tenants: [ACME] }, '"issuer" must be an absolute URL'],
    [
      { issuer: ISSUER, metadataUrl: 'http://keycloak:8080/.well-known/openid-configuration' },
      '"metadataUrl" must be https:',
    ],
    [{ issuer: ISSUER, metadataUrl: `${ISSUER}/document` }, '"metadataUrl" must be the URL of a metadata document'],
    [{ issuer: 'urn:example:login' }, '"issuer" must be https:'],
  ])('are a TypeError: %j', (options, message) => {
    expect(create(options)).toThrow(message)
    expect(create({ issuer: ISSUER, mode: 'proxy', issuers: { more: { ...base, ...options } } })).toThrow()
  })

  it('are shown by describe()', async () => {
    const here = { issuer: TEMPLATE, metadataUrl: METADATA }
    const describe = async (tenants: unknown) => (await create({ ...here, tenants })().describe()).providers[0]
    expect(await describe([ACME])).toMatchObject({ ...here, tenants: [ACME] })
    expect(await describe(() => true)).toMatchObject({ ...here, tenants: 'function' })
  })
})
