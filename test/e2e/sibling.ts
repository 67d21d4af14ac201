import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { memoryStore } from 'sallyport/store'
import { mockAuthorizationServer } from 'sallyport/testing'
import { calculateCodeChallenge, generateCodeVerifier } from '../../src/protocol/pkce.js'
import { randomKey } from '../keys.js'
import { formOf } from '../world.js'

/** A browser, as far as this scene needs one. */
export interface Visitor {
  open(url: string): Promise<void>
  /** What the open page's own `fetch` is answered, as text. */
  ask(path: string, form?: string): Promise<string>
}

const own = { 'Sallyport-CSRF': '1', 'Sec-Fetch-Site': 'same-origin' }

/** The pair of a cookie that an answer sets. */
const pairOf = (response: Response, part: RegExp): [name: string, value: string] => {
  const line = response.headers.getSetCookie().find((cookie) => part.test(cookie)) ?? ''
  const [pair = ''] = line.split(';')
  return [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
}

/**
 * An app, and a sibling of its host that plants cookies for the domain that both are under. `plant` names the cookie; the
 * bytes go over the wire as they are.
 */
export async function startSibling() {
  const seen: string[] = []
  let planted = ''
  const server = createServer((incoming, outgoing) => {
    if (incoming.headers.host?.startsWith('evil.')) {
      outgoing.setHeader('Set-Cookie', `${planted}; Domain=app.localhost; Path=/; HttpOnly; Max-Age=600`)
      // As a buffer: beside a text Node would write the header in UTF-8 too.
      return void outgoing.setHeader('Content-Type', 'text/html').end(Buffer.from('<!doctype html><p>Look at this</p>'))
    }
    if (incoming.url === '/')
      return void outgoing.setHeader('Content-Type', 'text/html').end('<!doctype html><p>Ours</p>')
    seen.push(incoming.headers.cookie ?? '')
    listener(incoming, outgoing)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const origin = `http://app.localhost:${port}`
  const issuer = 'https://login.example.net'
  const client_secret = randomKey()
  const as = await mockAuthorizationServer({
    issuer,
    clients: [{ client_id: 'notes', client_secret, redirect_uris: [`${origin}/callback`] }],
    users: [{ sub: 'mallory' }, { sub: 'bob' }],
  })
  const bff = createBff({
    issuer,
    client_id: 'notes',
    client_secret,
    baseUrl: origin,
    cookieKeys: [randomKey()],
    loopbackCookies: true,
    store: memoryStore(),
    fetch: (input, init) => as.fetch(input, init),
  })
  const listener = toNodeListener(bff)
  const session = `${port}.sallyport`

  /** Begins a sign-in without a browser: what an attacker does at home. */
  async function begin(sub: string) {
    as.signIn(sub)
    const code_verifier = generateCodeVerifier()
    const state = generateCodeVerifier()
    const body = formOf({
      response_type: 'code',
      client_id: 'notes',
      redirect_uri: `${origin}/callback`,
      scope: 'openid profile email',
      state,
      nonce: generateCodeVerifier(),
      code_challenge: await calculateCodeChallenge(code_verifier),
      code_challenge_method: 'S256',
    })
    const begun = await bff.fetch(new Request(`${origin}/bff/transaction`, { method: 'POST', headers: own, body }))
    const { location } = (await begun.clone().json()) as { location: string }
    const gone = await as.fetch(new Request(location, { redirect: 'manual' }))
    const back = new URL(gone.headers.get('location') ?? '').searchParams
    const fields = {
      grant_type: 'authorization_code',
      code: back.get('code') ?? '',
      iss: back.get('iss') ?? undefined,
      state,
      code_verifier,
    }
    return { transaction: pairOf(begun, /\.tx\./), form: formOf(fields) }
  }

  async function sessionOf(sub: string): Promise<string> {
    const { transaction, form } = await begin(sub)
    const headers = { ...own, Cookie: transaction.join('=') }
    const redeemed = await bff.fetch(new Request(`${origin}/bff/token`, { method: 'POST', headers, body: form }))
    return pairOf(redeemed, new RegExp(`^${session}=`))[1]
  }

  return {
    seen,
    session,
    begin,
    sessionOf,
    /** The visitor looks at a page of the sibling, and comes back. */
    async plant(visitor: Visitor, name: string, value: string): Promise<void> {
      planted = `${name}=${value}`
      await visitor.open(`http://evil.app.localhost:${port}/`)
      await visitor.open(`${origin}/`)
    },
    async who(visitor: Visitor): Promise<string | undefined> {
      return JSON.parse(await visitor.ask('/bff/session')).user?.sub
    },
    async close(): Promise<void> {
      await bff.close()
      server.closeAllConnections()
      server.close()
    },
  }
}

/**
 * What must hold in every browser, past its cookie prefixes: a cookie of a sibling whose name is ours but for a byte is kept and
 * sent, and is nobody's session and nobody's sign-in. Returns what was seen, to be compared.
 */
export async function plantsNothing(visitor: Visitor) {
  const it = await startSibling()
  try {
    const theirs = await it.sessionOf('mallory')
    await it.plant(visitor, `\xa0${it.session}`, theirs)
    const signedOut = await it.who(visitor)
    const arrived = it.seen.at(-1) === `\xa0${it.session}=${theirs}`

    const { transaction, form } = await it.begin('mallory')
    await it.plant(visitor, `\xa0${transaction[0]}`, transaction[1])
    const { error } = JSON.parse(await visitor.ask('/bff/token', `${form}`))
    const began = it.seen.at(-1)?.includes(`\xa0${transaction.join('=')}`)

    // The person's own sign-in, in this browser.
    const bob = await it.begin('bob')
    await it.plant(visitor, bob.transaction[0], bob.transaction[1])
    await visitor.ask('/bff/token', `${bob.form}`)
    const signedIn = await it.who(visitor)
    await it.plant(visitor, `\x85${it.session}`, theirs)
    return {
      signedOut,
      arrived,
      error,
      began,
      signedIn,
      still: await it.who(visitor),
      both: it.seen.at(-1)?.includes('\x85'),
    }
  } finally {
    await it.close()
  }
}

export const nothingPlanted = {
  signedOut: undefined,
  arrived: true,
  error: 'invalid_grant',
  began: true,
  signedIn: 'bob',
  still: 'bob',
  both: true,
}
