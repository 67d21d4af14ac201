import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { API, APP, ISSUER, randomKey, signIn, stored, world } from '../world.js'

/** What is registered as this RFC's words for it, nothing else. */
const sections = (lines: readonly string[]) => lines.map((line) => /^Section ([\d.]+)/.exec(line)?.[1])

describe('describe()', () => {
  it('tells of the plainest backend what it promises, what not, and where it differs', async () => {
    const { bff, tab } = await world()
    const before = await bff.describe()
    expect(before.providers).toEqual([
      {
        issuer: ISSUER,
        client_id: 'notes',
        clientAuthentication: 'client_secret_basic',
        redirect_uris: [`${APP}/callback`],
        response_mode: 'query',
        capabilities: null,
      },
    ])
    await signIn(tab)
    expect((await bff.describe()).providers[0]?.capabilities).toEqual({
      endSession: true,
      revocation: true,
      userinfo: true,
      responseIss: true,
      pkceS256: true,
      pushedAuthorizationRequests: false,
      dpop: expect.any(Boolean),
      signedResponses: expect.any(Boolean),
      backChannelLogout: expect.any(Boolean),
    })
    expect(before.sessions).toBe('sealed cookies')
    expect(before.limits.join(' ')).toContain('409 refresh_race')
    expect(before.limits.join(' ')).toContain('proxy_buffer_size 16k')
    expect(sections(before.deviations)).toEqual(['6.2.1', '6.2.4.4', '6.1.3.2'])
    expect(
      before.cookies.every(({ attributes }) => /^Path=\/; HttpOnly; SameSite=(Strict|Lax); Secure$/.test(attributes)),
    ).toBe(true)
  })

  it('tells of everything that was configured', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const limiter = { consume: async () => {} }
    const { bff } = await stored({
      mode: 'proxy',
      response_mode: 'form_post',
      dpopKey: JSON.stringify(await exportJWK(privateKey)),
      issuers: { acme: { issuer: 'https://acme.example', client_id: 'other', client_secret: randomKey() } },
      routes: {
        notes: { upstream: `${API}/v1`, sse: true, websocket: true },
        other: {
          upstream: 'https://other.example.com',
          resource: 'https://other.example.com',
          scope: 'b a',
          limit: 10,
        },
      },
      allowedOrigins: ['https://admin.example.com'],
      rateLimits: { person: limiter },
      cookieKeys: [randomKey(), randomKey()],
    })
    const said = await bff.describe()
    expect(said.limits.join(' ')).not.toContain('proxy_buffer_size')
    expect(
      said.providers.map(({ issuer, redirect_uris, response_mode }) => [issuer, ...redirect_uris, response_mode]),
    ).toEqual([
      [ISSUER, `${APP}/bff/callback`, 'form_post'],
      ['https://acme.example', `${APP}/bff/callback/acme`, 'form_post'],
    ])
    expect(said.dpopKeyId).toMatch(/^[\w-]{43}$/)
    expect(said.cookieKeyIds).toHaveLength(2)
    expect(said.rateLimits).toEqual(['person'])
    expect(said.routes['notes']).toMatchObject({ upstream: `${API}/v1`, resource: API, sse: true, websocket: true })
    expect(said.routes['other']).toMatchObject({ resource: 'https://other.example.com', scope: 'a b', limit: 10 })
    expect(said.endpoints.filter(({ limited }) => limited).map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /bff/login',
      'POST /bff/login',
      'POST /bff/callback',
      'POST /bff/callback/acme',
      'GET /bff/frontchannel-logout',
    ])
    expect(sections(said.deviations)).toEqual(['6.1.3.2', '6.1.3.2', '6.1.3.3.2', '6.1.3.3.2', '9.4'])
    expect(said.deviations.join('\n')).toContain('SameSite=None')
  })

  it('holds no secret, whatever is in it', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const dpopKey = JSON.stringify(await exportJWK(privateKey))
    const cookieKey = randomKey()
    const { bff, client_secret } = await world({ mode: 'proxy', dpopKey, cookieKeys: [cookieKey] })
    const said = JSON.stringify(await bff.describe())
    for (const secret of [client_secret, cookieKey, JSON.parse(dpopKey).d]) expect(said).not.toContain(secret)
  })

  it('says that a provider does not enforce PKCE, once it is known', async () => {
    const { bff, tab, as } = await world({ mode: 'proxy' })
    as.tamper.metadata = ({ code_challenge_methods_supported: _, ...metadata }) => metadata
    await tab.navigate(`${APP}/bff/login`)
    expect((await bff.describe()).deviations).toContain(
      `Section 6.1.3.1: ${ISSUER} does not say that it enforces PKCE; state and nonce, bound to the browser, replace it.`,
    )
  })
})
