import { memoryStore, type RecordStore } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { sha256 } from '../../../src/crypto/hash.js'
import {
  APP,
  begin,
  bodyOf,
  follow,
  ISSUER,
  look,
  randomKey,
  redeem,
  refresh,
  signIn,
  stored,
  type Tab,
  type World,
  world,
} from '../../world.js'
import { recordsOf } from '../records.js'

type Tampering = NonNullable<Parameters<World['as']['logoutToken']>[1]['tamper']>
type Claims = Record<string, unknown>

const who = async (tab: Tab) => bodyOf(await look(tab, '/session'))

const post = (bff: World['bff'], body: string, headers: Record<string, string> = {}) =>
  bff.fetch(
    new Request(`${APP}/bff/backchannel-logout`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      body,
    }),
  )
const send = (bff: World['bff'], token: string) => post(bff, `logout_token=${token}`)
const front = (bff: World['bff'], query: string) =>
  bff.fetch(new Request(`${APP}/bff/frontchannel-logout?${query}`, { headers: { 'Sec-Fetch-Site': 'cross-site' } }))

/** Alice with one session at the provider and two here, and Bob. */
async function people() {
  const here = await stored()
  const sids: string[] = []
  here.as.tamper.idToken = (claims, header) => {
    sids.push(`${claims['sid']}`)
    return { claims, header }
  }
  await signIn(here.tab)
  here.as.signIn('alice')
  const phone = here.device()
  await signIn(phone)
  here.as.signIn('bob')
  const bob = here.device()
  await signIn(bob)
  const [sid = '', phoneSid = '', bobSid = ''] = sids
  return { ...here, phone, bob, sid, phoneSid, bobSid }
}

describe('back-channel logout', () => {
  it('[B-17][B-43 twin] is not stopped by what else stands in the form (OpenID Connect Back-Channel Logout 1.0 section 2.5)', async () => {
    const { bff, as, tab, sid } = await people()
    const token = await as.logoutToken('notes', { sid, sub: 'alice' })
    expect((await post(bff, `state=1&state=2&logout_token=${token}&vendor=`)).status).toBe(200)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'revoked' })
  })

  it('[B-17][F-70][F-72 twin] ends the session that the token names, and only that', async () => {
    const { bff, as, tab, phone, bob, sid } = await people()
    const answer = await send(bff, await as.logoutToken('notes', { sid, sub: 'alice' }))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toContain('no-store')
    expect(await who(tab)).toMatchObject({ user: null, reason: 'revoked' })
    expect((await who(phone)).user.sub).toBe('alice')
    expect((await who(bob)).user.sub).toBe('bob')
  })

  it('[B-17 twin][F-70 twin] by sub alone ends all of that user; a later sign-in is not touched, the old ones stay dead', async () => {
    const { bff, as, tab, phone, bob, advance, events } = await people()
    expect((await send(bff, await as.logoutToken('notes', { sub: 'alice' }))).status).toBe(200)
    for (const ended of [tab, phone]) expect(await who(ended)).toMatchObject({ user: null, reason: 'revoked' })
    expect((await who(bob)).user.sub).toBe('bob')
    expect(events).toContainEqual({ type: 'provider_logout', channel: 'back', sessions: 2 })
    advance(1)
    as.signIn('alice')
    await signIn(tab)
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
    expect((await who(phone)).user).toBeNull()
  })

  it('[B-17] takes a token with a key that the provider has just begun to use', async () => {
    const { bff, as, tab, sid, advance } = await people()
    await as.rotateKeys()
    advance(2)
    expect((await send(bff, await as.logoutToken('notes', { sid }))).status).toBe(200)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'revoked' })
  })

  it('fetches keys once in half a minute for tokens with keys that do not exist', async () => {
    const { bff, as, sid, advance, phone } = await people()
    const before = as.requests.jwks
    for (let second = 0; second < 58; second++) {
      advance(1)
      const token = await as.logoutToken('notes', {
        sid,
        tamper: (claims, header) => ({
          claims,
          header: { ...header, kid: `k${second}` },
          signature: 'other-key',
        }),
      })
      expect(await bodyOf(await send(bff, token))).toMatchObject({ error: 'invalid_request', claim: 'signature' })
    }
    expect(as.requests.jwks - before).toBe(2)
    expect((await who(phone)).user.sub).toBe('alice')
  })

  it('does not end somebody else’s session that is named beside the wrong user', async () => {
    const { bff, as, bob, bobSid } = await people()
    expect((await send(bff, await as.logoutToken('notes', { sub: 'alice', sid: bobSid }))).status).toBe(200)
    expect((await who(bob)).user.sub).toBe('bob')
  })

  const change =
    (changes: Claims): Tampering =>
    (claims, header) => ({ claims: { ...claims, ...changes }, header })
  const without =
    (name: string): Tampering =>
    (claims, header) => ({ claims: Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name)), header })
  const events = 'http://schemas.openid.net/event/backchannel-logout'

  it.each<[string, string, Tampering]>([
    [
      'B-18][B-18 twin',
      'no signature',
      (claims, header) => ({ claims, header: { ...header, alg: 'none' }, signature: 'none' }),
    ],
    ['B-18', 'HS256 with the public key', (claims, header) => ({ claims, header, signature: 'hs256-with-public-key' })],
    ['B-18', 'a broken signature', (claims, header) => ({ claims, header, signature: 'broken' })],
    ['B-18', 'a stranger’s signature', (claims, header) => ({ claims, header, signature: 'other-key' })],
    ['B-18', 'another audience', change({ aud: 'another' })],
    ['B-18', 'another issuer', change({ iss: 'https://evil.example' })],
    ['B-18', 'no events', without('events')],
    ['B-18', 'another event', change({ events: { 'https://evil.example/event': {} } })],
    ['F-71', 'an event that is no object', change({ events: { [events]: true } })],
    ['F-71', 'an event that is a list', change({ events: { [events]: [] } })],
    ['F-71', 'events that are a text', change({ events })],
    ['B-19][B-19 twin', 'a nonce', change({ nonce: 'n' })],
    ['B-18', 'the hash of an access token: an ID Token', change({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
    ['F-71', 'neither sub nor sid', change({ sub: undefined, sid: undefined })],
    ['F-71', 'an empty sub', change({ sub: '' })],
    ['F-71', 'a sid that is no text', change({ sid: 7 })],
    ['F-71', 'no jti', without('jti')],
    ['F-71', 'a jti that is no text', change({ jti: 7 })],
    ['F-71', 'no iat', without('iat')],
    ['F-71', 'no exp', without('exp')],
    ['F-71', 'an iat of ten minutes ago', change({ iat: 1_790_000_000 - 600 })],
    ['F-71', 'an iat of the future', change({ iat: 1_790_000_000 + 600 })],
    ['F-71', 'an exp that is past', change({ exp: 1_790_000_000 - 60 })],
    ['F-71', 'the type of an access token', (claims, header) => ({ claims, header: { ...header, typ: 'at+jwt' } })],
  ])('[%s] is refused with %s', async (_id, _name, tamper) => {
    const { bff, as, tab } = await stored()
    await signIn(tab)
    const answer = await send(bff, await as.logoutToken('notes', { sub: 'alice', tamper }))
    expect(answer.status).toBe(400)
    expect(answer.headers.get('cache-control')).toContain('no-store')
    expect((await bodyOf(answer)).error).toBe('invalid_request')
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it.each<[string, Tampering, string]>([
    ['no exp', without('exp'), 'exp'],
    ['another audience', change({ aud: 'another' }), 'aud'],
    ['a nonce', change({ nonce: 'n' }), 'nonce'],
    ['a broken signature', (claims, header) => ({ claims, header, signature: 'broken' }), 'signature'],
    [
      'another issuer',
      change({ iss: 'https://evil.example/<b>' }),
      'iss, "iss" is "https://evil.example/ b"; configured: https://login.example.net',
    ],
    [
      'another algorithm',
      (claims, header) => ({ claims, header: { ...header, alg: 'HS256' }, signature: 'hs256-with-public-key' }),
      'alg, "alg" is HS256; idTokenAlgs has RS256, PS256, ES256, EdDSA',
    ],
  ])('[B-40] that is refused with %s tells the operator why', async (_name, tamper, cause) => {
    const { bff, as, events } = await stored()
    const answer = await send(bff, await as.logoutToken('notes', { sub: 'alice', tamper }))
    expect(JSON.stringify(await bodyOf(answer))).not.toMatch(/evil|HS256/)
    expect(events.at(-1)).toEqual({
      type: 'request_refused',
      error: 'invalid_request',
      method: 'POST',
      path: '/bff/backchannel-logout',
      detail: `The logout token was refused: ${cause}`,
    })
  })

  it.each([
    [{ status: 500 }, 'temporarily_unavailable', 'provider_unavailable', 'keys: 500'],
    [{ status: 404 }, 'operator_error', 'operator_error', 'keys: 404'],
    [{ status: 200, body: '{}' }, 'operator_error', 'operator_error', 'keys: 200, no usable keys'],
  ])(
    '[B-40][B-40 twin] whose keys are %j is no bad token: the sessions wait for it',
    async (fault, error, type, told) => {
      const { another, as, tab, events } = await stored()
      await signIn(tab)
      const bff = another()
      as.fail('jwks', fault)
      const token = await as.logoutToken('notes', { sub: 'alice' })
      const answer = await send(bff, token)
      expect([answer.status, (await bodyOf(answer)).error]).toEqual([503, error])
      expect(events).toContainEqual({ type, detail: `${told} (https://login.example.net/jwks)` })
      expect((await send(bff, token)).status).toBe(200)
    },
  )

  it('[F-71 twin][B-18 twin][B-19 twin] is heard with the type of any JWT, or none', async () => {
    for (const typ of ['JWT', 'application/logout+jwt', undefined]) {
      const { bff, as, tab } = await stored()
      await signIn(tab)
      const token = await as.logoutToken('notes', {
        sub: 'alice',
        tamper: (claims, { alg }) => ({ claims, header: { alg, ...(typ !== undefined && { typ }) } }),
      })
      expect((await send(bff, token)).status).toBe(200)
      expect((await who(tab)).user).toBeNull()
    }
  })

  it('[F-71] is refused the second time: nobody is signed out by an old token', async () => {
    const { bff, as, tab, advance } = await stored()
    await signIn(tab)
    const token = await as.logoutToken('notes', { sub: 'alice' })
    expect((await send(bff, token)).status).toBe(200)
    advance(1)
    await signIn(tab)
    expect((await send(bff, token)).status).toBe(400)
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it('[F-71] is refused as GET, in another media type, twice in a body, missing, and over 16 KiB', async () => {
    const { bff, as, tab } = await stored()
    await signIn(tab)
    const token = await as.logoutToken('notes', { sub: 'alice' })
    const got = await bff.fetch(new Request(`${APP}/bff/backchannel-logout?logout_token=${token}`))
    expect(got.status).toBe(405)
    expect((await post(bff, `logout_token=${token}`, { 'Content-Type': 'application/json' })).status).toBe(415)
    expect((await post(bff, `logout_token=${token}&logout_token=${token}`)).status).toBe(400)
    expect((await post(bff, '')).status).toBe(400)
    expect((await post(bff, `logout_token=${'x'.repeat(17_000)}`)).status).toBe(413)
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it('does not look at cookies', async () => {
    const { bff, browser, tab } = await stored()
    await signIn(tab)
    const answer = await post(bff, 'logout_token=x', { Cookie: browser.jar.header(`${APP}/`) ?? '' })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('set-cookie')).toBeNull()
  })

  it('[F-72] answers 200 for a session that is not known', async () => {
    const { bff, as } = await stored()
    expect((await send(bff, await as.logoutToken('notes', { sid: 'never', sub: 'alice' }))).status).toBe(200)
  })

  it('[F-73 twin] needs no keys to be had where those of the sign-in are known', async () => {
    const { bff, as, tab } = await stored()
    await signIn(tab)
    as.fail('jwks', { status: 500 }, { times: 9 })
    expect((await send(bff, await as.logoutToken('notes', { sub: 'alice' }))).status).toBe(200)
    expect((await who(tab)).user).toBeNull()
  })

  it('[F-73 twin] asks to be sent again while the provider’s keys cannot be had', async () => {
    const { another, as, tab } = await stored()
    await signIn(tab)
    // A process that knows no keys.
    const bff = another()
    as.fail('jwks', { status: 500 }, { times: 1 })
    const token = await as.logoutToken('notes', { sub: 'alice' })
    expect((await send(bff, token)).status).toBe(503)
    expect((await who(tab)).user.sub).toBe('alice')
    expect((await send(bff, token)).status).toBe(200)
  })

  it('[F-75][F-75 twin] ends the sign-in whose code has been redeemed and whose session is not written yet', async () => {
    const { tab, bff, as, advance } = await stored()
    const begun = await begin(tab)
    const callback = await follow(tab, begun)
    const gate = as.delay('jwks')
    const redeeming = redeem(tab, begun, callback)
    await vi.waitFor(() => expect(as.requests.jwks).toBe(1))
    const token = await as.logoutToken('notes', { sub: 'alice' })
    const posted = send(bff, token)
    gate.release()
    const [answer, heard] = await Promise.all([redeeming, posted])
    expect(heard.status).toBe(200)
    // Whichever was first: nobody is signed in afterwards.
    if (answer.ok) expect(await who(tab)).toMatchObject({ user: null, reason: 'revoked' })
    else expect(await bodyOf(answer)).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
    advance(1)
    as.signIn('alice')
    expect((await signIn(tab)).status).toBe(200)
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it('[F-74] ends ten thousand sessions of one user in batches', async () => {
    const records = memoryStore({ now: () => 1_790_000_000 })
    let busy = 0
    let most = 0
    const watched: RecordStore = {
      ...records,
      async get(id) {
        most = Math.max(most, ++busy)
        await new Promise((resolve) => setTimeout(resolve))
        busy--
        return records.get(id)
      },
    }
    const cookieKeys = [randomKey()]
    const { tab, bff, as, now } = await world({ store: watched, cookieKeys })
    await signIn(tab)
    const { own, sessions } = recordsOf(records, { cookieKeys, now })
    const index = 'session-sub'
    const value = await sha256(`sub ${ISSUER} alice`)
    const [first] = (await own.list(index, value)).ids
    const template = await sessions.load(first?.id ?? '')
    if (!(template instanceof Object && 'record' in template)) throw new Error('there is no session')
    const idOf = (at: number) => `${'0'.repeat(38)}${String(at).padStart(5, '0')}`
    for (let at = 0; at < 10_000; at++) {
      const record = { ...template.record, id: idOf(at) }
      await own.write([await sessions.put({ ...template, record }, 'absent', [{ index, value }])])
    }
    most = 0
    expect((await send(bff, await as.logoutToken('notes', { sub: 'alice' }))).status).toBe(200)
    expect(most).toBeLessThanOrEqual(100)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'revoked' })
    for (let at = 0; at < 10_000; at++) expect(await sessions.load(idOf(at))).toMatchObject({ ended: 'revoked' })
  }, 60_000)

  it('is there with a store only', async () => {
    const { bff, as } = await world()
    expect((await send(bff, await as.logoutToken('notes', { sub: 'alice' }))).status).toBe(404)
    expect((await front(bff, `iss=${ISSUER}&sid=x`)).status).toBe(404)
  })
})

describe('front-channel logout', () => {
  it('[F-68 twin] ends the sessions of this sid at the provider, without a cookie, and may be framed by the provider alone', async () => {
    const { bff, tab, phone, sid } = await people()
    const answer = await front(bff, `iss=${encodeURIComponent(ISSUER)}&sid=${sid}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toContain('no-store')
    expect(answer.headers.get('content-security-policy')).toContain(`frame-ancestors ${ISSUER}`)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'revoked' })
    expect((await who(phone)).user.sub).toBe('alice')
  })

  it('[F-68] is refused without proof: no sid, no iss, another issuer, either one twice', async () => {
    const { bff, tab, sid } = await people()
    const iss = encodeURIComponent(ISSUER)
    for (const query of [
      '',
      `iss=${iss}`,
      `sid=${sid}`,
      `iss=https://evil.example&sid=${sid}`,
      `iss=${iss}&sid=${sid}&sid=x`,
    ])
      expect((await front(bff, query)).status, query).toBe(400)
    expect((await who(tab)).user.sub).toBe('alice')
  })
})
