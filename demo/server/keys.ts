import { Hono } from 'hono'
import type { Guard } from 'sallyport/guard'
import type { ApiKeys } from 'sallyport/keys'
import type { Ledger } from 'sallyport/store'
import { Refusal, type Rule, readFields } from './fields.js'
import { createPlaces } from './places.js'
import type { Usage } from './usage.js'

export interface KeyConsoleSettings<Scope extends string> {
  keys: ApiKeys<Scope>
  /** All scopes of keys. */
  scopes: readonly Scope[]
  /** The guard of the API. It accepts keys too, so that they get a clear refusal here. */
  protect: Guard
  usage: Usage
  /** Counts the working keys of each user. */
  ledger: Ledger
}

/** The owner of the keys, from the credential, never from the body. */
interface Person {
  tenant: string
  owner: string
  scopes: readonly string[]
}

type KnownKey = NonNullable<Awaited<ReturnType<ApiKeys['get']>>> & { usedToday: number }

const day = 86_400
/** The maximum number of working keys of one user; a key and its successor count as one. */
const most = 20
/** The quota of a key and its successors together. */
const quota = { minute: 20, day: 1000 }

const name: Rule<string> = {
  is: (value): value is string => typeof value === 'string' && value.trim() !== '' && value.length <= 60,
  remedy: 'must be a text of 1 to 60 characters.',
}
const secondsOf = (...choices: number[]): Rule<number> => ({
  is: (value): value is number => choices.some((choice) => choice === value),
  remedy: `must be one of ${choices.join(', ')} seconds.`,
})
const scopesOf = <Scope extends string>(choices: readonly Scope[]): Rule<Scope[]> => ({
  is: (value): value is Scope[] =>
    Array.isArray(value) && value.length > 0 && value.every((scope) => choices.includes(scope)),
  remedy: `must list at least one of ${choices.join(', ')}, and nothing else.`,
})

/**
 * The API where users manage their API keys. Signed-in users create, replace and revoke keys; keys cannot, not even their own.
 * Users cannot find out about keys of others.
 */
export function createKeyConsole<Scope extends string>(settings: KeyConsoleSettings<Scope>) {
  const { keys, protect, usage } = settings
  const places = createPlaces(settings.ledger, 'keys', most)
  const creation = { name, scopes: scopesOf(settings.scopes), expiresIn: secondsOf(7 * day, 30 * day, 90 * day) }
  const rotation = { grace: secondsOf(0, 3600, day) }

  const byPerson = (answer: (request: Request, person: Person) => Promise<Response>) =>
    protect.handler({ methods: ['access_token'] }, async (request, { sub, tenant, scopes }) => {
      if (tenant === undefined) return refuse(403, 'tenant_mismatch', 'This sign-in belongs to no tenant.')
      return answer(request, { tenant, owner: sub, scopes }).catch(explain)
    })

  /** Only the record of a single key has its last use and its quota. */
  async function know(id: string, tenant: string): Promise<KnownKey[]> {
    const [key, use] = await Promise.all([keys.get(id, { tenant }), keys.quotaUse(id, { tenant })])
    return key ? [{ ...key, usedToday: use?.day?.used ?? 0 }] : []
  }

  async function all({ tenant, owner }: Person): Promise<KnownKey[]> {
    const found: KnownKey[] = []
    let cursor: string | undefined
    do {
      const page = await keys.list({ tenant, owner, ...(cursor !== undefined && { cursor }) })
      found.push(...(await Promise.all(page.items.map(({ id }) => know(id, tenant)))).flat())
      cursor = page.cursor
    } while (cursor !== undefined)
    // Working keys first, then the newest.
    return found.sort((a, b) => Number(works(b)) - Number(works(a)) || b.createdAt - a.createdAt)
  }

  /** @throws Refusal for another user's key, exactly as for an unknown one */
  async function assertOwn(id: string, { tenant, owner }: Person): Promise<void> {
    const key = await keys.get(id, { tenant })
    if (key?.owner !== owner) throw new Refusal(404, 'key_not_found', 'You have no such key.')
  }

  const list = byPerson(async (_, person) => json({ keys: (await all(person)).map((key) => shown(key, keys.prefix)) }))

  const create = byPerson(async (request, person) => {
    const { name, scopes, expiresIn } = await readFields(request, creation)
    const wider = scopes.filter((scope) => !person.scopes.includes(scope))
    if (wider.length)
      throw new Refusal(
        403,
        'insufficient_scope',
        `Your own sign-in lacks ${wider.join(' ')}, so no key of yours has it.`,
      )
    const { tenant, owner } = person
    const living = async () => (await all(person)).filter(works).map(({ lineage }) => lineage)
    const full = new Refusal(409, 'too_many_keys', `You have ${most} keys. Revoke one first.`)
    // Checked here, so that repeated requests leave nothing behind, and below, because of concurrent requests.
    if (new Set(await living()).size >= most) throw full
    const { key, record } = await keys.create({ tenant, owner, name: name.trim(), scopes, expiresIn, quota })
    const placed = await places.take(person, record.lineage, living).catch((error) => {
      keys.revoke(record.id, { tenant }).catch(() => {})
      throw error
    })
    if (!placed) {
      // The caller never gets it.
      await keys.revoke(record.id, { tenant, reason: 'too many keys' })
      throw full
    }
    return json({ key, id: record.id }, 201)
  })

  const rotate = (id: string) =>
    byPerson(async (request, person) => {
      const { grace } = await readFields(request, rotation)
      await assertOwn(id, person)
      const { key, record } = await keys.rotate(id, { tenant: person.tenant, grace })
      return json({ key, id: record.id }, 201)
    })

  const revoke = (id: string) =>
    byPerson(async (_, person) => {
      await assertOwn(id, person)
      await keys.revoke(id, { tenant: person.tenant })
      return new Response(null, { status: 204 })
    })

  const look = byPerson(async (_, person) => json(usage.of(new Set((await all(person)).map(({ id }) => id)))))

  const one = '/api/keys/:id{[A-Za-z0-9]{16}}'
  const app = new Hono()
    .get('/api/keys', ({ req }) => list(req.raw))
    .post('/api/keys', ({ req }) => create(req.raw))
    .get('/api/keys/usage', ({ req }) => look(req.raw))
    .post(`${one}/rotate`, ({ req }) => rotate(req.param('id'))(req.raw))
    .delete(one, ({ req }) => revoke(req.param('id'))(req.raw))
    .notFound(() => refuse(404, 'not_found', 'Not found.'))
    .onError(() => refuse(500, 'server_error', 'Internal error.'))

  return { fetch: (request: Request) => app.fetch(request) }
}

const works = ({ revokedAt, expiresAt }: KnownKey): boolean => revokedAt === undefined && Date.now() / 1000 < expiresAt

function stateOf(key: KnownKey): 'active' | 'grace' | 'expired' | 'revoked' {
  if (works(key)) return key.replacedBy === undefined ? 'active' : 'grace'
  return key.revokedAt === undefined ? 'expired' : 'revoked'
}

/** A key as shown to its owner, without the secret. */
function shown(key: KnownKey, prefix: string) {
  const { id, name, scopes, createdAt, expiresAt, revokedAt, replacedBy, lastUsedAt, usedToday } = key
  const begins = `${prefix}_${id}`
  return {
    id,
    begins,
    name,
    scopes,
    state: stateOf(key),
    createdAt,
    expiresAt,
    revokedAt,
    replacedBy,
    lastUsedAt,
    usedToday,
    quota: key.quota,
  }
}

const json = (body: unknown, status = 200) =>
  Response.json(body, { status, headers: { 'Cache-Control': 'no-store, private' } })

const refuse = (status: number, error: string, error_description: string) => json({ error, error_description }, status)

const statuses: Record<string, number> = {
  key_not_found: 404,
  key_ended: 409,
  key_conflict: 409,
  store_unavailable: 503,
}

/** A response for an error. An error that is not a refusal is a bug. */
function explain(error: unknown): Response {
  if (error instanceof Refusal) return refuse(error.status, error.error, error.message)
  const { code = '', message } = error as { code?: string; message: string }
  const status = statuses[code]
  if (status === undefined) throw error
  const answer = refuse(status, code, message)
  if (status === 503) answer.headers.set('Retry-After', '5')
  return answer
}
