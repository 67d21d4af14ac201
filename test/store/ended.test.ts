import { generateKeyPairSync } from 'node:crypto'
import { createApiKeys } from 'sallyport/keys'
import { createTokenIssuer } from 'sallyport/tokens'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { postgresUrl, startPostgres } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'

const FULL = process.env['FULL'] === '1'
const engines: Record<string, () => Promise<OpenStore>> = {
  Redis: () => openRedis(inject('redis')),
  PostgreSQL: () => openPostgres(postgresUrl(inject('postgres'))),
}
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signing = {
  alg: 'ES256',
  key: JSON.stringify({ ...privateKey.export({ format: 'jwk' }), alg: 'ES256' }),
} as const
const scopes = ['data:read'] as const

const keysOf = ({ store }: OpenStore) => createApiKeys({ store, prefix: 'sp_test', scopes })
const tokensOf = ({ store }: OpenStore, onEvent = (_: unknown) => {}) =>
  createTokenIssuer({
    issuer: 'https://a.example.com',
    audience: 'https://api.example.com',
    keys: [signing],
    store,
    onEvent,
  })
const grant = { sub: 'alice', client_id: 'app', scopes: ['data:read'], refresh: true }

async function migrate({ store }: OpenStore): Promise<void> {
  if ('migrate' in store) await (store as { migrate(): Promise<void> }).migrate()
}

describe.each(Object.entries(engines))('what has ended in %s', (engine, open) => {
  let sides: OpenStore[] = []
  const tenant = `ended ${engine} ${crypto.randomUUID()}`

  beforeAll(async () => {
    sides = await Promise.all([open(), open(), open()])
    await migrate(sides[0] as OpenStore)
  })
  afterAll(() => Promise.all(sides.map(({ close }) => close())))

  it('[K-15] stays ended: an owner whose keys are replaced at that moment has none left', async () => {
    const [one, two, three] = sides.map(keysOf) as [
      ReturnType<typeof keysOf>,
      ReturnType<typeof keysOf>,
      ReturnType<typeof keysOf>,
    ]
    for (let turn = 0; turn < (FULL ? 60 : 15); turn++) {
      const owner = `owner ${turn}`
      const made = await Promise.all([1, 2].map(() => one.create({ tenant, owner, name: 'a key', scopes })))
      const [, ...rotated] = await Promise.all([
        three.revokeOwner(owner, { tenant }),
        ...made.map(({ record }) => two.rotate(record.id, { tenant }).catch(() => undefined)),
      ])
      const all = [...made.map(({ key }) => key), ...rotated.flatMap((one) => one?.key ?? [])]
      for (const key of all) expect((await one.verify(key)).ok).toBe(false)
    }
  })

  it('[K-16] is told from what was only asked for twice: one successor for all, from every side', async () => {
    const events: unknown[] = []
    const all = sides.map((side) => tokensOf(side, (event) => events.push(event)))
    let { refresh_token = '' } = await (all[0] as (typeof all)[number]).issue(grant)
    for (let turn = 0; turn < 10; turn++) {
      const answers = await Promise.all(Array.from({ length: 9 }, (_, at) => all[at % 3]?.refresh(refresh_token)))
      const next = new Set(answers.map((answer) => answer?.refresh_token))
      expect(next.size).toBe(1)
      refresh_token = `${[...next][0]}`
    }
    expect(events).toEqual([])
  })

  it('[K-16] of two rotations of one job names one successor, whose key one of them has', async () => {
    const all = sides.map(keysOf)
    for (let turn = 0; turn < 10; turn++) {
      const { record } = await (all[0] as (typeof all)[number]).create({ tenant, owner: 'job', name: 'a key', scopes })
      const how = { tenant, idempotencyKey: `job ${turn}` }
      const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => all[at % 3]?.rotate(record.id, how)))
      expect(new Set(answers.map((answer) => answer?.record.id)).size).toBe(1)
      expect(answers.filter((answer) => answer && 'key' in answer)).toHaveLength(1)
    }
  })
})

describe.runIf(FULL)('a PostgreSQL that is killed while tokens are refreshed', () => {
  it('[K-16] signs nobody out as a thief', async () => {
    const server = await startPostgres()
    let kills = 0
    // Answers travel for a while, and are lost where the server is killed meanwhile: what they would have said was done.
    const side = await openPostgres(postgresUrl(server.port), (options) => ({
      ...options,
      async transaction(work) {
        const before = kills
        const done = await options.transaction(work)
        await new Promise((resolve) => setTimeout(resolve, 50))
        if (kills === before) return done
        throw Object.assign(new Error('connection terminated'), { code: 'ECONNRESET' })
      },
    }))
    try {
      await migrate(side)
      const events: unknown[] = []
      const tokens = tokensOf(side, (event) => events.push(event))
      const people = await Promise.all(Array.from({ length: 20 }, () => tokens.issue(grant)))
      let over = false
      let lost = 0
      const working = people.map(async ({ refresh_token: first }) => {
        let token = `${first}`
        while (!over) {
          const answer = await tokens.refresh(token).catch((error) => error)
          if (answer instanceof Error) {
            expect(answer).toMatchObject({ code: 'store_unavailable' })
            lost++
            await new Promise((resolve) => setTimeout(resolve, 20))
          } else token = answer.refresh_token
        }
        return token
      })
      for (let kill = 0; kill < 5; kill++) {
        await new Promise((resolve) => setTimeout(resolve, 500))
        kills++
        await server.stop('SIGKILL')
        await server.start()
      }
      over = true
      for (const token of await Promise.all(working)) expect(await tokens.refresh(token)).toBeTruthy()
      expect(events).toEqual([])
      expect(lost).toBeGreaterThan(0)
    } finally {
      await side.close()
      await server.remove()
    }
  })
})
