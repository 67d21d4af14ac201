import { setupServer } from 'msw/node'
import { type Bff, type BffEvent, type BffOptions, createBff, type Secret, type SiteOptions } from 'sallyport/bff'
import { memoryStore, type RecordStore } from 'sallyport/store'
import { generateKeys, mockAuthorizationServer, mockBrowser } from 'sallyport/testing'
import { calculateCodeChallenge, generateCodeVerifier } from '../src/protocol/pkce.js'
import { afterEachTest } from './after-each.js'
import { randomKey } from './keys.js'

export const APP = 'https://app.example.com'
/** On another site than the app, as in production. */
export const ISSUER = 'https://login.example.net'
export const API = 'https://api.example.com'

export { randomKey }

export type World = Awaited<ReturnType<typeof world>>
export type Tab = ReturnType<World['browser']['newTab']>

const keys = await generateKeys()

/**
 * The network between backend and provider: msw, so that the backend's own `fetch` is what runs. In a document it comes in
 * by the door, as `createBff({ fetch })`: there msw and the page would share one `fetch`. So it does in runtimes for which
 * msw has no interceptor (`test/runtimes`).
 */
const network = typeof document === 'undefined' && import.meta.env.MODE !== 'runtimes' ? setupServer() : undefined
network?.listen({
  onUnhandledRequest({ url }, print) {
    // The tests' own servers are real.
    if (!['127.0.0.1', 'localhost'].includes(new URL(url).hostname)) print.error()
  },
})
/** Closed after each test: what they do in the background belongs to it. */
let opened: Bff[] = []
afterEachTest(async () => {
  await Promise.all(opened.map((bff) => bff.close()))
  opened = []
  network?.resetHandlers()
})

/** The two homes of sessions that one process can have: what is promised of both is tested with both. */
export const homes = [
  ['sealed cookies', (options = {}, provider = {}) => world(options, provider)],
  ['a store', (options = {}, provider = {}) => stored(options, provider)],
] as const satisfies readonly (readonly [string, typeof world])[]

export type WorldOptions = Partial<Omit<SiteOptions, 'store'>> & {
  store?: RecordStore | 'memory'
  issuer?: string
  metadataUrl?: string
  tenants?: BffOptions['tenants']
  client_id?: string
  client_secret?: Secret
  clientAuthentication?: BffOptions['clientAuthentication']
  clientKey?: Secret
  assertionAudience?: 'issuer' | 'endpoint'
  endSessionParams?: Readonly<Record<string, string>>
  /** Of another release. */
  createBff?: typeof createBff
}

/** With sessions in a store: all processes of this world share it. */
export function stored(options: WorldOptions = {}, provider: Record<string, unknown> = {}) {
  return world({ ...options, store: 'memory' as const }, provider)
}

/** A provider, a backend before it, and a browser before that; one clock, standing still. */
export async function world(
  { store, createBff: create = createBff, ...options }: WorldOptions = {},
  provider: Record<string, unknown> = {},
) {
  let time = 1_790_000_000
  const now = () => time
  const client_secret = randomKey()
  const as = await mockAuthorizationServer({
    issuer: ISSUER,
    now,
    keys,
    clients: [
      {
        client_id: 'notes',
        client_secret,
        redirect_uris: [`${APP}/callback`, `${APP}/bff/callback`],
        post_logout_redirect_uris: [`${APP}/`],
      },
    ],
    users: [
      {
        sub: 'alice',
        name: 'Alice Adams',
        email: 'alice@example.com',
        email_verified: true,
        phone_number: '+1 555 0100',
      },
      { sub: 'bob', name: 'Bob Brown', email: 'bob@example.com' },
    ],
    ...provider,
  })
  as.signIn('alice')
  network?.use(...((await as.handlers()) as unknown as Parameters<typeof network.use>))
  const events: BffEvent[] = []
  const settings = {
    issuer: ISSUER,
    client_id: 'notes',
    client_secret,
    baseUrl: APP,
    cookieKeys: [randomKey()],
    scope: 'openid profile email offline_access notes:read notes:write',
    resources: {
      [API]: { scopes: ['notes:read', 'notes:write'] },
      'https://other.example.com': { scopes: ['other:read'] },
    },
    onEvent: (event: BffEvent) => events.push(event),
    ...(!network && { fetch: (input: string | URL | Request, init?: RequestInit) => as.fetch(input, init) }),
    now,
    ...(store && { store: store === 'memory' ? memoryStore({ now }) : store }),
    ...options,
  }
  const open = (changes: Partial<BffOptions> = {}) => {
    const bff = create({ ...settings, ...changes } as BffOptions)
    opened.push(bff)
    return bff
  }
  const served = { bff: open() }
  const newBrowser = () =>
    mockBrowser({
      now,
      origins: { [APP]: (request) => served.bff.fetch(request), [ISSUER]: (request) => as.fetch(request) },
    })
  const browser = newBrowser()
  return {
    as,
    now,
    events,
    browser,
    client_secret,
    get bff() {
      return served.bff
    },
    tab: browser.newTab(`${APP}/`),
    /** A tab of another browser, with a jar of its own. */
    device: () => newBrowser().newTab(`${APP}/`),
    /** Seconds. */
    advance(seconds: number) {
      time += seconds
    },
    /** As after a restart, or in a second process: the same configuration, an empty memory. */
    restart(changes: Partial<BffOptions> = {}) {
      served.bff = open(changes)
    },
    /** A second process of the same configuration. */
    another: (changes: Partial<BffOptions> = {}) => open(changes),
    eventTypes: () => events.map((event) => event.type),
  }
}

export type Fields = Record<string, string | readonly string[] | undefined>

export function formOf(fields: Fields): URLSearchParams {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(fields))
    for (const item of [value].flat()) if (item !== undefined) form.append(name, item)
  return form
}

/** A call as the page makes it. */
export const call = (tab: Tab, path: string, fields: Fields = {}, headers: Record<string, string> = {}) =>
  tab.fetch(`${APP}/bff${path}`, {
    method: 'POST',
    headers: { 'Sallyport-CSRF': '1', ...headers },
    body: formOf(fields),
    credentials: 'include',
  })

export const look = (tab: Tab, path: string) =>
  tab.fetch(`${APP}/bff${path}`, { headers: { 'Sallyport-CSRF': '1' }, credentials: 'include' })

/** What a page keeps of a sign-in it has begun. */
export interface Begun {
  fields: Fields
  code_verifier: string
  state: string
  response: Response
  location: string
}

/** Begins a sign-in by hand, with whatever fields are to differ. */
export async function begin(tab: Tab, changes: Fields = {}): Promise<Begun> {
  const code_verifier = generateCodeVerifier()
  const state = generateCodeVerifier()
  const fields: Fields = {
    response_type: 'code',
    client_id: 'notes',
    redirect_uri: `${APP}/callback`,
    scope: 'openid profile email offline_access notes:read notes:write',
    state,
    nonce: generateCodeVerifier(),
    code_challenge: await calculateCodeChallenge(code_verifier),
    code_challenge_method: 'S256',
    ...changes,
  }
  const response = await call(tab, '/transaction', fields)
  const { location = '' } = response.ok ? ((await response.clone().json()) as { location: string }) : {}
  return { fields, code_verifier, state, response, location }
}

/** Goes through the provider and returns what the callback URL says. */
export async function follow(tab: Tab, { location }: Begun): Promise<URLSearchParams> {
  const { url } = await tab.navigate(location)
  return new URL(url).searchParams
}

export async function redeem(tab: Tab, begun: Begun, callback: URLSearchParams, changes: Fields = {}) {
  return call(tab, '/token', {
    grant_type: 'authorization_code',
    code: callback.get('code') ?? undefined,
    state: callback.get('state') ?? undefined,
    iss: callback.get('iss') ?? undefined,
    code_verifier: begun.code_verifier,
    ...changes,
  })
}

/** A whole sign-in; answers what `POST /token` said. */
export async function signIn(tab: Tab, changes: Fields = {}) {
  const begun = await begin(tab, changes)
  return redeem(tab, begun, await follow(tab, begun))
}

export const refresh = (tab: Tab, fields: Fields = {}) =>
  call(tab, '/token', { grant_type: 'refresh_token', ...fields })

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member, and a wrong guess fails the test
export const bodyOf = async (response: Response): Promise<any> => response.json()
