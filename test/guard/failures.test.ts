import { accessToken, createGuard, type GuardEvent } from 'sallyport/guard'
import { generateKeys, mockAuthorizationServer } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import { mistakes, outages } from '../provider/failures/faults.js'
import { bodyOf, formOf, ISSUER, randomKey } from '../world.js'

const API = 'https://api.example.com'
const keys = await generateKeys()

/** An issuer, and a guard that knows its JWTs by keys and its opaque tokens by asking; the clock stands still. */
async function scene(accessTokenFormat: 'jwt' | 'opaque', options: { client_secret?: string; issuer?: string } = {}) {
  let time = 1_790_000_000
  const client_secret = randomKey()
  const as = await mockAuthorizationServer({
    issuer: ISSUER,
    now: () => time,
    keys,
    accessTokenFormat,
    clients: [{ client_id: 'api', client_secret, redirect_uris: [] }],
    users: [],
  })
  const events: GuardEvent[] = []
  const protect = createGuard({
    resource: API,
    accept: [
      accessToken({
        issuer: options.issuer ?? ISSUER,
        fetch: (input, init) => as.fetch(new Request(input, init)),
        introspection: { client_id: 'api', client_secret: options.client_secret ?? client_secret },
      }),
    ],
    onEvent: (event) => events.push(event),
    now: () => time,
  })
  const response = await as.fetch(`${ISSUER}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`api:${client_secret}`)}` },
    body: formOf({ grant_type: 'client_credentials', resource: API }),
  })
  const { access_token } = await bodyOf(response)
  return {
    as,
    events,
    advance(seconds: number) {
      time += seconds
    },
    async call() {
      const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${access_token}` } }))
      return outcome.ok ? 'accepted' : `${outcome.response.status} ${await outcome.response.text()}`
    },
  }
}

const words = {
  keys_unavailable:
    '503 {"error":"keys_unavailable","error_description":"The credential check is temporarily unavailable."}',
  operator_error:
    '503 {"error":"operator_error","error_description":"The credential check is not possible. The operator must check the configuration."}',
} as const

/** What is read with GET knows no OAuth errors: their words are those of any page. */
const ofPage = (text: string) => text.replace(/^(4\d\d) ([a-z_]+)$/, '$1, "$2"')

const rows = [
  ...outages.map(([what, fault, told]) => ['keys_unavailable', what, fault, told] as const),
  ...mistakes.map(([what, fault, told]) => ['operator_error', what, fault, told] as const),
].filter(([, what]) => !/201|400 with/.test(what))

describe('a guard whose issuer', () => {
  it.each(rows)('[B-40][B-40 twin] has metadata that are %s: %s', async (code, _what, fault, text) => {
    for (const [format, cooldown] of [['jwt', 31] as const, ['opaque', 7] as const]) {
      const here = await scene(format)
      here.as.fail('discovery', fault)
      expect(await here.call()).toBe(words[code])
      const told = ofPage(text).replace(/^204$/, '$&, no JSON object')
      const detail = `metadata: ${told} (${ISSUER}/.well-known/openid-configuration)`
      expect(here.events.at(-1)).toMatchObject({ status: 503, error: code, detail })
      // During the cool-down nobody asks, and the same is told.
      if (format === 'jwt') expect([await here.call(), here.events.at(-1)]).toMatchObject([words[code], { detail }])
      here.advance(cooldown)
      expect(await here.call()).toBe('accepted')
    }
  })

  it.each(rows)('[B-40][B-40 twin] has keys that are %s: %s', async (code, _what, fault, text) => {
    const here = await scene('jwt')
    here.as.fail('jwks', fault)
    expect(await here.call()).toBe(words[code])
    const told = ofPage(text).replace(/^(20\d)(, no JSON object)?$/, '$1, no usable keys')
    const detail = `keys: ${told} (${ISSUER}/jwks)`
    expect(here.events.at(-1)).toMatchObject({ status: 503, error: code, detail })
    here.advance(31)
    expect(await here.call()).toBe('accepted')
  })

  it.each(rows)('[B-40][B-40 twin] answers introspection with %s: %s', async (code, _what, fault, text) => {
    const here = await scene('opaque')
    here.as.fail('introspection', fault)
    expect(await here.call()).toBe(words[code])
    const detail = `introspection: ${text} (${ISSUER}/introspect)`
    expect(here.events.at(-1)).toMatchObject({ status: 503, error: code, detail })
    here.advance(7)
    expect(await here.call()).toBe('accepted')
  })

  it('[B-40] knows another secret of the API', async () => {
    const here = await scene('opaque', { client_secret: 'quux corge' })
    expect(await here.call()).toBe(words.operator_error)
    const detail = `introspection: 401 invalid_client, "client authentication failed" (${ISSUER}/introspect)`
    expect(here.events.at(-1)).toMatchObject({ status: 503, error: 'operator_error', detail })
  })

  it.each(['jwt', 'opaque'] as const)('[B-40] is spelled otherwise: both spellings are told (%s)', async (format) => {
    const here = await scene(format)
    here.as.tamper.metadata = (metadata) => ({ ...metadata, issuer: `${ISSUER}/` })
    expect(await here.call()).toBe(words.operator_error)
    const flaw = `its issuer is "${ISSUER}/", but the option "issuer" is "${ISSUER}"`
    const detail = `metadata: 200, ${flaw} (${ISSUER}/.well-known/openid-configuration)`
    expect(here.events.at(-1)).toMatchObject({ detail })
  })

  it.each([
    ['jwt', 'jwks_uri'],
    ['opaque', 'introspection_endpoint'],
  ] as const)('[B-40] has metadata without what the guard needs (%s)', async (format, name) => {
    for (const value of [undefined, null, 7, '', 'http://login.example.net/x']) {
      const here = await scene(format)
      here.as.tamper.metadata = (metadata) => ({ ...metadata, [name]: value })
      expect(await here.call()).toBe(words.operator_error)
      const detail = `metadata: 200, no usable ${name} (${ISSUER}/.well-known/openid-configuration)`
      expect(here.events.at(-1)).toMatchObject({ detail })
    }
  })
})
