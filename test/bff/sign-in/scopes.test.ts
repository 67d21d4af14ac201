import { decodeJwt } from 'jose'
import type { BffOptions } from 'sallyport/bff'
import { describe, expect, it } from 'vitest'
import {
  API,
  APP,
  begin,
  bodyOf,
  follow,
  homes,
  ISSUER,
  look,
  redeem,
  refresh,
  signIn,
  type World,
  type WorldOptions,
  world,
} from '../../world.js'

const OTHER = 'https://other.example.com'
const THIRD = 'urn:example:third'

const resources = {
  [API]: { scopes: ['notes:read', 'notes:write'] },
  [OTHER]: { scopes: ['other:read'] },
  [THIRD]: { scopes: ['third:read'], atSignIn: true },
} satisfies BffOptions['resources']

/** What an authorization request asks for. */
async function asked(options: WorldOptions, fields: Parameters<typeof begin>[1] = {}) {
  const { tab } = await world(options)
  const { location } = await begin(tab, { scope: undefined, ...fields })
  const { searchParams } = new URL(location)
  return { scope: searchParams.get('scope'), resource: searchParams.getAll('resource') }
}

describe('a sign-in', () => {
  it('requests the scopes of the default resource, which are written once', async () => {
    const { [THIRD]: _, ...two } = resources
    expect(await asked({ scope: 'openid offline_access', resources: two })).toEqual({
      scope: 'openid offline_access notes:read notes:write',
      resource: [API],
    })
    expect(await asked({ scope: 'openid notes:write email', resources: two })).toEqual({
      scope: 'openid notes:write email notes:read',
      resource: [API],
    })
  })

  it('requests other resources with atSignIn, and only those', async () => {
    expect(await asked({ scope: 'openid', resources })).toEqual({
      scope: 'openid notes:read notes:write third:read',
      resource: [API, THIRD],
    })
  })

  it('that names a resource requests the scopes of that one', async () => {
    expect(await asked({ scope: 'openid email', resources }, { resource: OTHER })).toEqual({
      scope: 'openid email other:read',
      resource: [OTHER],
    })
    expect(await asked({ scope: 'openid', resources }, { resource: [OTHER, API] })).toEqual({
      scope: 'openid notes:read notes:write other:read',
      resource: [API, OTHER],
    })
  })

  it('that names scopes requests exactly them', async () => {
    expect(await asked({ scope: 'openid email', resources }, { scope: 'openid notes:read' })).toEqual({
      scope: 'openid notes:read',
      resource: [API, THIRD],
    })
  })

  it('never requests offline_access by itself', async () => {
    expect((await asked({ scope: 'openid', resources: {} })).scope).toBe('openid')
    expect((await asked({})).scope).toContain('offline_access')
  })

  it('in proxy mode requests the same', async () => {
    const here = await world({ mode: 'proxy', scope: 'openid', resources })
    const response = await here.bff.fetch(
      new Request(`${APP}/bff/login`, { headers: { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' } }),
    )
    const { searchParams } = new URL(`${response.headers.get('location')}`)
    expect(searchParams.get('scope')).toBe('openid notes:read notes:write third:read')
    expect(searchParams.getAll('resource')).toEqual([API, THIRD])
  })

  it('cannot be configured with a scope that is none', async () => {
    const { another } = await world()
    for (const scope of ['two scopes', 'a"quote', ''])
      expect(() => another({ resources: { [API]: { scopes: [scope] } } })).toThrow(/createBff: "resources/)
  })
})

describe.each(homes)('tokens for further resources, with %s', (_home, open) => {
  const options = { scope: 'openid offline_access', resources }
  const audienceOf = async (response: Response) => decodeJwt((await bodyOf(response)).access_token).aud

  it('are to be had with atSignIn, beside the first one for the default resource', async () => {
    const { tab, advance } = await open(options)
    expect(await audienceOf(await signIn(tab, { scope: undefined }))).toBe(API)
    expect(await audienceOf(await refresh(tab, { resource: THIRD }))).toBe(THIRD)
    advance(3600)
    expect(await audienceOf(await refresh(tab))).toBe(API)
    expect(await audienceOf(await refresh(tab, { resource: THIRD, scope: 'third:read' }))).toBe(THIRD)
  })

  it.each([
    [API, `${API}/`],
    [`${API}/`, API],
  ])('are the same for %s and %s', async (configured, requested) => {
    const { tab, as } = await open({
      scope: 'openid offline_access',
      resources: { [configured]: { scopes: ['notes:read'] } },
    })
    const first = await bodyOf(await signIn(tab, { scope: undefined, resource: requested }))
    expect(decodeJwt(first.access_token).aud).toBe(configured)
    expect((await bodyOf(await refresh(tab, { resource: requested }))).access_token).toBe(first.access_token)
    expect((await bodyOf(await refresh(tab, { resource: `${API}//` }))).error).toBe('invalid_target')
    expect(as.grants.refresh_token).toBe(0)
  })

  it('are refused in words that fit', async () => {
    const { tab, as } = await open(options)
    await signIn(tab, { scope: undefined })
    const refused = async (fields: Parameters<typeof refresh>[1]) => {
      const { error, error_description } = await bodyOf(await refresh(tab, fields))
      return `${error}: ${error_description}`
    }
    // What is configured is never called "not configured".
    expect(await refused({ resource: OTHER })).toMatch(/^invalid_target: .* not requested at sign-in.*atSignIn/)
    expect(await refused({ resource: THIRD, scope: 'other:read' })).toMatch(/^invalid_scope: This scope belongs to a/)
    expect(await refused({ scope: 'other:read' })).toMatch(/^invalid_scope: This scope belongs to a resource/)
    as.fail('token', {
      status: 400,
      body: '{"error":"invalid_scope"}',
      headers: { 'Content-Type': 'application/json' },
    })
    expect(await refused({ resource: THIRD })).toMatch(/^invalid_scope: The provider refuses this scope/)
    as.tamper.tokenResponse = (body) => ({ ...body, scope: 'third:read third:write' })
    expect(await refused({ resource: THIRD, scope: 'third:read' })).toMatch(/^invalid_scope: .* more scope than/)
    // What is not, is.
    expect(await refused({ resource: 'https://unknown.example' })).toMatch(/^invalid_target: .* not configured/)
    expect(await refused({ scope: 'unknown' })).toMatch(/^invalid_scope: .* not configured/)
  })

  it('are refused as well where there is no refresh token', async () => {
    const { tab } = await open({ scope: 'openid', resources })
    await signIn(tab, { scope: undefined })
    const { error, error_description } = await bodyOf(await refresh(tab, { resource: THIRD }))
    expect(error).toBe('invalid_target')
    expect(error_description).toContain('issued no refresh token')
  })
})

describe('a provider that issues no refresh token', () => {
  const METADATA = `${ISSUER}/.well-known/openid-configuration`
  const providers: readonly [issuer: string, without: RegExp, beside: RegExp][] = [
    ['https://acme.eu.auth0.com/', /^Add offline_access.*"Allow Offline Access"/, /^Switch on "Allow Offline Access"/],
    ['https://acme.okta.com/oauth2/default', /^Add offline_access.*Okta/, /^Switch on the grant type Refresh Token/],
    ['https://id.acme.example/oauth2/aus1a2b3', /^Add offline_access.*Okta/, /^Switch on the grant type Refresh Token/],
    ['https://login.microsoftonline.com/1f0c/v2.0', /^Add offline_access.*Entra/, /^Consent to offline_access/],
    [
      'https://accounts.google.com',
      /access_type=offline.*"authorizationParams"/,
      /^Remove offline_access.*access_type/,
    ],
    [
      'https://login.acme.example/realms/acme',
      /^Switch on "Use refresh.*Do not add offline_access/,
      /^Remove offline_access/,
    ],
    [ISSUER, /add offline_access to "scope" if/, /prompt: "consent"/],
  ]

  it.each(providers)('is told with the line for this provider: %s', async (issuer, without, beside) => {
    for (const [scope, remedy] of [
      ['openid', without],
      ['openid offline_access', beside],
    ] as const) {
      const here: World = await world({ issuer, metadataUrl: METADATA, scope, resources: {} })
      here.as.tamper.metadata = (json) => ({ ...json, issuer, authorization_response_iss_parameter_supported: false })
      here.as.tamper.idToken = (claims, header) => ({ claims: { ...claims, iss: issuer }, header })
      here.as.tamper.tokenResponse = ({ refresh_token: _, ...json }) => json
      here.as.tamper.authorizationResponse = (parameters) => {
        parameters.delete('iss')
        return parameters
      }
      expect((await here.bff.describe()).limits.join()).not.toContain('no refresh token')
      for (const _ of [1, 2]) {
        const begun = await begin(here.tab, { scope: undefined })
        expect((await redeem(here.tab, begun, await follow(here.tab, begun))).status).toBe(200)
      }
      const told = here.events.filter((event) => event.type === 'no_refresh_token')
      expect(told).toEqual([{ type: 'no_refresh_token', issuer, remedy: expect.stringMatching(remedy) }])
      const [event] = told
      expect((await here.bff.describe()).limits).toContain(
        `${issuer} has issued no refresh token: sessions end with their first access token. ${event?.remedy}.`,
      )
      expect((await bodyOf(await look(here.tab, '/session'))).user.sub).toBe('alice')
    }
  })
})
