import { createHash } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { accessToken, createGuard } from 'sallyport/guard'
import { expect } from 'vitest'
import { API, APP, bodyOf, call, ISSUER, randomKey, type World } from '../../world.js'
import type { Dialect } from './dialect.js'

const redirect_uris = [`${APP}/callback`, `${APP}/bff/callback`]
const post_logout_redirect_uris = [`${APP}/`]

const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const clientKey = JSON.stringify({ ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'one' })
const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'one' }] }

/** Where the browser is sent at sign-out. */
async function endSessionUrl({ tab, bff, browser }: Pick<World, 'tab' | 'bff' | 'browser'>): Promise<URL> {
  const { location } = await bodyOf(await call(tab, '/logout'))
  const headers = { Cookie: browser.jar.header(`${APP}/`) ?? '' }
  const response = await bff.fetch(new Request(`${APP}${location}`, { headers }))
  return new URL(response.headers.get('location') ?? 'none:')
}

/** The key that a token is bound to. */
const holder = await generateKeyPair('ES256')
const holderJwk = await exportJWK(holder.publicKey)
const jkt = await calculateJwkThumbprint(holderJwk)

/** Whether an API accepts a token with such claims in the profile `jwt`. Its header does not say what it is. */
async function acceptedByGuard(now: () => number, claims: Readonly<Record<string, unknown>>): Promise<boolean> {
  const keys = async () => publicKey
  const protect = createGuard({ resource: API, accept: [accessToken({ issuer: ISSUER, profile: 'jwt', keys })], now })
  const token = await new SignJWT({ iss: ISSUER, aud: API, sub: 'alice', iat: now(), exp: now() + 60, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .sign(privateKey)
  const ath = createHash('sha256').update(token).digest('base64url')
  const proof = await new SignJWT({ jti: randomKey(), htm: 'GET', htu: `${API}/`, iat: now(), ath })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: holderJwk })
    .sign(holder.privateKey)
  const headers =
    'cnf' in claims ? { Authorization: `DPoP ${token}`, DPoP: proof } : { Authorization: `Bearer ${token}` }
  const { ok } = await protect(new Request(API, { headers }))
  return ok
}

/** How providers know their clients, and what they send besides. */
export const clients: readonly Dialect[] = [
  {
    name: 'Amazon Cognito',
    quirk: 'ends its session only with logout_uri',
    must: 'sends the parameters of endSessionParams besides',
    options: { endSessionParams: { logout_uri: `${APP}/bye`, ui_locales: 'de' } },
    check: async (here) => {
      const { searchParams } = await endSessionUrl(here)
      expect(searchParams.get('logout_uri')).toBe(`${APP}/bye`)
      expect(searchParams.get('ui_locales')).toBe('de')
      expect(searchParams.get('client_id')).toBe('notes')
      expect(await here.again()).toBeUndefined()
    },
  },
  {
    name: 'Okta',
    quirk: 'accepts assertions for the URL of the endpoint only',
    must: 'signs them for that URL with assertionAudience: "endpoint"',
    options: {
      client_secret: undefined as never,
      clientAuthentication: 'private_key_jwt',
      clientKey,
      assertionAudience: 'endpoint',
    },
    provider: {
      par: true,
      assertionAudience: 'endpoint',
      clients: [{ client_id: 'notes', jwks, redirect_uris, post_logout_redirect_uris }],
    },
  },
  {
    name: 'Okta',
    quirk: 'accepts assertions for the URL of the endpoint only',
    must: 'says that it is a mistake of the configuration if that is not set',
    options: { client_secret: undefined as never, clientAuthentication: 'private_key_jwt', clientKey },
    provider: {
      assertionAudience: 'endpoint',
      clients: [{ client_id: 'notes', jwks, redirect_uris, post_logout_redirect_uris }],
    },
    refused: 'operator_error',
  },
  {
    name: 'A provider',
    quirk: 'gives a client a name and a secret with every kind of character',
    must: 'understands each in Basic credentials',
    options: { client_id: 'a-b_c.d*e~f g+h%i:j', client_secret: "ü-._~!*(')&=+% :/?#[]@" },
    provider: {
      clients: [
        {
          client_id: 'a-b_c.d*e~f g+h%i:j',
          client_secret: "ü-._~!*(')&=+% :/?#[]@",
          redirect_uris,
          post_logout_redirect_uris,
        },
      ],
    },
    mode: 'proxy',
  },
  {
    name: 'Keycloak before 25',
    quirk: 'has the nonce in access tokens, whose typ says Bearer',
    must: 'accepts them in the profile jwt, and no ID Token',
    check: async ({ now }) => {
      expect(await acceptedByGuard(now, { typ: 'Bearer', nonce: 'n' })).toBe(true)
      expect(await acceptedByGuard(now, { typ: 'ID', nonce: 'n' })).toBe(false)
      expect(await acceptedByGuard(now, { nonce: 'n' })).toBe(false)
    },
  },
  {
    name: 'Keycloak',
    quirk: 'writes typ: "DPoP" into the claims of bound access tokens',
    must: 'accepts them in the profile jwt, with their key and its proof',
    check: async ({ now }) => {
      expect(await acceptedByGuard(now, { typ: 'DPoP', cnf: { jkt } })).toBe(true)
      expect(await acceptedByGuard(now, { typ: 'DPoP', cnf: { jkt: 'another' } })).toBe(false)
      expect(await acceptedByGuard(now, { typ: 'DPoP' })).toBe(false)
    },
  },
  {
    name: 'Apple',
    quirk: 'sends the name once, in the form, unsigned',
    must: 'passes it to onSignIn as unverified, and believes it nowhere',
    mode: 'proxy',
    options: { response_mode: 'form_post', onSignIn: (user) => void signedIn.push(user) },
    speak: ({ as }) => {
      signedIn.splice(0)
      as.tamper.authorizationResponse = (parameters) => {
        if (!as.grants.authorization_code) parameters.set('user', appleUser)
        return parameters
      }
    },
    check: async ({ session, again, events }) => {
      expect(signedIn).toEqual([{ iss: ISSUER, sub: 'alice', unverified: { user: appleUser } }])
      expect((await session()).user).toMatchObject({ name: 'Alice Adams', email: 'alice@example.com' })
      expect(await again()).toBeUndefined()
      expect(signedIn.slice(1)).toEqual([{ iss: ISSUER, sub: 'alice', unverified: {} }])
      expect(JSON.stringify([await session(), events])).not.toContain('Mallory')
    },
  },
]

const appleUser = '{"name":{"firstName":"Mallory","lastName":"Moss"},"email":"mallory@example.com"}'
const signedIn: object[] = []
