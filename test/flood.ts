import type { Bff } from 'sallyport/bff'
import { withPeer } from 'sallyport/bff'
import type { RecordId, RecordStore } from 'sallyport/store'
import { calculateCodeChallenge, generateCodeVerifier } from '../src/protocol/pkce.js'
import { APP, formOf, ISSUER } from './world.js'

/** A store that remembers what was written through it, and for how long. */
export function watched(store: RecordStore) {
  const written = new Map<string, number>()
  const note = ({ kind, partition, id }: RecordId, ttl = Number.POSITIVE_INFINITY) => {
    const name = `${kind} ${partition} ${id}`
    written.set(name, Math.max(ttl, written.get(name) ?? 0))
  }
  const noting: RecordStore = {
    ...store,
    async write(changes) {
      for (const change of changes) if (change.type === 'put') note(change.id, change.ttl)
      return store.write(changes)
    },
    async consume(id, ttl) {
      note(id, ttl)
      return store.consume(id, ttl)
    },
  }
  return { store: noting, written }
}

/** What a stranger sends from one address: whatever leads to something, step after step, and whatever does not. */
export function stranger(bff: Bff, address: string, mode: 'proxy' | 'token-mediating') {
  const own = { 'Sallyport-CSRF': '1' }
  const form = { ...own, 'Content-Type': 'application/x-www-form-urlencoded' }
  const send = (path: string, init: RequestInit = {}) =>
    bff.fetch(withPeer(new Request(`${APP}/bff${path}`, init), { address, encrypted: true }))
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = form) =>
    send(path, { method: 'POST', headers, body: formOf(fields) })
  const cookieOf = (response: Response) =>
    response.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ')

  async function signInByPage(): Promise<Response[]> {
    const code_verifier = generateCodeVerifier()
    const state = generateCodeVerifier()
    const begun = await post('/transaction', {
      response_type: 'code',
      client_id: 'notes',
      redirect_uri: `${APP}/callback`,
      scope: 'openid',
      state,
      nonce: generateCodeVerifier(),
      code_challenge: await calculateCodeChallenge(code_verifier),
      code_challenge_method: 'S256',
    })
    const fields = { grant_type: 'authorization_code', code: 'made-up', state, iss: ISSUER, code_verifier }
    return [begun, await post('/token', fields, { ...form, Cookie: cookieOf(begun) })]
  }
  async function signInByBackend(): Promise<Response[]> {
    const begun = await send('/login')
    const state = new URL(begun.headers.get('location') ?? ISSUER).searchParams.get('state') ?? 'none'
    const query = new URLSearchParams({ code: 'made-up', state, iss: ISSUER })
    return [begun, await send(`/callback?${query}`, { headers: { Cookie: cookieOf(begun) } })]
  }
  const junk = () => `__Host-Http-sallyport=${generateCodeVerifier()}`
  const kinds: (() => Promise<Response[]>)[] = [
    mode === 'proxy' ? signInByBackend : signInByPage,
    async () => [await send(`/frontchannel-logout?iss=${encodeURIComponent(ISSUER)}&sid=${crypto.randomUUID()}`)],
    async () => [await post('/backchannel-logout', { logout_token: `${generateCodeVerifier()}.e30.x` })],
    async () => [await post('/session', {}, { ...form, Cookie: junk() })],
    async () => [await send('/session', { headers: own })],
    async () => [await post('/token', { grant_type: 'refresh_token' }, { ...form, Cookie: junk() })],
    async () => [await post('/logout', {}, { ...form, Cookie: junk() })],
    async () => [await send('/logout/continue?id=made-up')],
    async () => [await send('/sessions?cursor=["a"]', { headers: { ...own, Cookie: junk() } })],
    async () => [await send(`/sessions/${generateCodeVerifier()}`, { method: 'DELETE', headers: own })],
    async () => [await send('/api/notes/x', { headers: { ...own, Cookie: junk() } })],
    async () => [await send('/.well-known/openid-configuration', { headers: own })],
    async () => [await send('/health')],
    async () => [await send('/nothing')],
  ]
  return {
    send,
    /** So many requests, of every kind in turn; how many were answered 429. */
    async flood(count: number): Promise<number> {
      let refused = 0
      for (let sent = 0, at = 0; sent < count; at++) {
        const answers = (await kinds[at % kinds.length]?.()) ?? []
        sent += answers.length
        refused += answers.filter(({ status }) => status === 429).length
      }
      return refused
    },
  }
}

/** Milliseconds of processor time that something takes. */
async function processorTime(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/**
 * How many times as much processor time other people's calls take while a flood comes in: batches of the flood and of their
 * calls in turn, and only theirs are counted. The median of all, so that one that a collection of garbage fell into is none.
 */
export async function dearer(calls: () => Promise<unknown>, flood: () => Promise<unknown>, batches: number) {
  const times = async (before: () => Promise<unknown>) => {
    const taken: number[] = []
    for (let at = 0; at < batches; at++) {
      await before()
      taken.push(await processorTime(calls))
    }
    return taken.sort((a, b) => a - b)[Math.floor(batches / 2)] ?? Number.NaN
  }
  // Twice: what is compiled late is not counted for either.
  await times(async () => {})
  const quiet = await times(async () => {})
  return (await times(flood)) / quiet
}
