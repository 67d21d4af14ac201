import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { postgresUrl, startPostgres } from '../services/postgres.js'
import { startRedis } from '../services/redis.js'
import type { TestServer } from '../services/server.js'
import { openPostgres } from '../services/stores.js'
import { type Backends, createBackends } from './backends.js'
import { type Answer, createPerson, type Person } from './person.js'
import { type Provider, startProvider } from './provider.js'

/** The stated counts with `npm run test:full`, a few of each otherwise. */
const FULL = process.env['FULL'] === '1'
const PROCESSES = 4
const CALLERS = 25
/** Seconds: the backend's patience with the provider; a take-over waits five longer. */
const TIMEOUT = 2

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/**
 * What the refresh coordinator promises, with processes that are killed and servers that are stopped. One engine after the
 * other: a hundred callers at once keep two cores busy, and the store has two seconds to answer.
 */
for (const engine of ['redis', 'postgres'] as const)
  describe(`the refresh coordinator of ${PROCESSES} processes over ${engine}`, () => {
    let server: TestServer
    let provider: Provider
    let backends: Backends

    beforeAll(async () => {
      // A server of its own, to be stopped and started.
      server = engine === 'redis' ? await startRedis() : await startPostgres()
      if (engine === 'postgres') await migrate(server.port)
    })
    afterAll(() => server?.remove())
    afterEach(async () => {
      await backends?.remove()
      await provider?.remove()
    })

    /** Processes, a provider, and somebody who has signed in. */
    async function open(options: Parameters<typeof startProvider>[0] = {}): Promise<Person> {
      provider = await startProvider(options)
      backends = createBackends({
        engine,
        enginePort: server.port,
        issuer: provider.issuer,
        client_secret: provider.client_secret,
        timeout: TIMEOUT,
      })
      await Promise.all(Array.from({ length: PROCESSES }, () => backends.start()))
      const person = createPerson(provider)
      expect((await person.signIn(backends.all()[0]?.url ?? '')).status).toBe(200)
      // Each has opened its connections and compiled what it runs before a hundred callers come at once.
      for (const { url } of backends.all()) expect((await person.refresh(url)).status).toBe(200)
      expect(provider.refreshes()).toBe(0)
      return person
    }

    async function expire() {
      provider.advance(301)
      await backends.advance(301)
    }

    /** All callers of all processes at once; a process that dies takes its callers with it. */
    async function everybody(person: Person, signal?: AbortSignal): Promise<(Answer | undefined)[]> {
      const calls = backends
        .all()
        .flatMap(({ url }) => Array.from({ length: CALLERS }, () => person.refresh(url, signal).catch(() => undefined)))
      return Promise.all(calls)
    }

    /** Requests as a page does, at any process: repeats while the response is “temporarily unavailable”. */
    async function persist(person: Person, seconds = 40): Promise<Answer> {
      const until = performance.now() + seconds * 1000
      for (let at = 0; ; at++) {
        const alive = backends.all()
        const answer = await person.refresh(alive[at % alive.length]?.url ?? '').catch(() => undefined)
        if (answer && answer.status < 500) return answer
        if (performance.now() > until) throw new Error(`no answer in ${seconds} s: ${JSON.stringify(answer)}`)
        await pause(0.25)
      }
    }

    const tokens = (answers: (Answer | undefined)[]) =>
      answers.map((answer) => (answer?.status === 200 ? answer.body.access_token : JSON.stringify(answer)))

    const rounds = FULL ? 100 : 5
    it(`[F-52][F-55 twin][F-65 twin] makes one grant per expiry for ${PROCESSES * CALLERS} callers, and none fails, ${rounds} times in a row`, async () => {
      const person = await open()
      for (let round = 1; round <= rounds; round++) {
        await expire()
        const answers = tokens(await everybody(person))
        expect(new Set(answers).size, `round ${round}: ${[...new Set(answers)].slice(0, 3)}`).toBe(1)
        expect(provider.refreshes()).toBe(round)
      }
      expect(provider.mostAttempts()).toBe(1)
    })

    it('[F-55][F-54 twin] waits for a provider that is slow, and still makes one grant', async () => {
      const person = await open()
      provider.trouble({ slow: TIMEOUT * 1000 - 500 })
      await expire()
      expect(new Set(tokens(await everybody(person))).size).toBe(1)
      expect(provider.refreshes()).toBe(1)
    })

    it('[F-53] finishes what was begun when all callers hang up', async () => {
      const person = await open()
      provider.trouble({ slow: 1000 })
      await expire()
      await everybody(person, AbortSignal.timeout(500))
      provider.trouble(undefined)
      const answers = tokens(await everybody(person))
      expect(new Set(answers).size).toBe(1)
      expect(provider.refreshes()).toBe(1)
      expect(provider.mostAttempts()).toBe(1)
    })

    it('[F-58] keeps the session while the provider answers 503, and makes one grant afterwards', async () => {
      const person = await open()
      provider.trouble({ status: 503 })
      await expire()
      for (const answer of await everybody(person)) {
        expect(answer?.status).toBe(503)
        expect(answer?.body.error).toBe('temporarily_unavailable')
      }
      provider.trouble(undefined)
      await backends.advance(40)
      expect((await persist(person)).status).toBe(200)
      expect(provider.refreshes()).toBe(1)
    })

    it('[F-54] takes over from a process that died before the provider had processed its request: two attempts, no session lost', async () => {
      const person = await open()
      provider.trouble('silence')
      await expire()
      const died = new Promise<void>((resolve) =>
        provider.onRefresh(async (worker) => {
          provider.onRefresh(undefined)
          await backends
            .all()
            .find(({ name }) => name === worker)
            ?.kill()
          provider.trouble(undefined)
          resolve()
        }),
      )
      const answers = everybody(person)
      await died
      const survivors = (await answers).filter((answer) => answer !== undefined)
      expect(survivors.length).toBeGreaterThanOrEqual((PROCESSES - 1) * CALLERS)
      expect(new Set(tokens(survivors)).size).toBe(1)
      expect(survivors[0]?.status).toBe(200)
      expect(provider.refreshes()).toBe(1)
      expect(provider.mostAttempts()).toBeLessThanOrEqual(2)
    })

    for (const leeway of [0, 600])
      it(`ends as refresh_lost only where the provider had rotated and allows no repeat: killed after it, leeway ${leeway} s`, async () => {
        const person = await open({ leeway })
        provider.trouble({ slow: 3_600_000 })
        await expire()
        const died = new Promise<void>((resolve) =>
          provider.onRefresh(async (worker) => {
            provider.onRefresh(undefined)
            // It is processed meanwhile; its answer never comes.
            void vi
              .waitFor(() => expect(provider.refreshes()).toBe(1))
              .then(() =>
                backends
                  .all()
                  .find(({ name }) => name === worker)
                  ?.kill(),
              )
              .then(() => provider.trouble(undefined))
              .then(resolve)
          }),
        )
        const answers = everybody(person)
        await died
        const survivors = (await answers).filter((answer) => answer !== undefined)
        if (leeway) expect(new Set(survivors.map(({ status }) => status))).toEqual(new Set([200]))
        else
          for (const { body } of survivors)
            expect(body).toMatchObject({ error: 'invalid_grant', reason: 'refresh_lost' })
        expect(provider.mostAttempts()).toBeLessThanOrEqual(2)
      })

    for (const leeway of [0, 600])
      it(`ends as refresh_lost only where it must: a connection reset after it had rotated, leeway ${leeway} s`, async () => {
        const person = await open({ leeway })
        provider.trouble('lost')
        await expire()
        // The one that comes in first is lost, and no other.
        provider.onRefresh(() => provider.trouble(undefined))
        const outcome = leeway
          ? { access_token: expect.any(String) }
          : { error: 'invalid_grant', reason: 'refresh_lost' }
        const notNow = { error: 'temporarily_unavailable' }
        const answers = await everybody(person)
        for (const answer of answers) expect(answer?.body).toMatchObject(answer?.status === 503 ? notNow : outcome)
        await backends.advance(40)
        const final = answers.find((answer) => answer?.status !== 503) ?? (await persist(person))
        expect(final.body).toMatchObject(outcome)
        expect(provider.mostAttempts()).toBe(2)
      })

    it('asks once more after one timeout, and loses no session', async () => {
      const person = await open()
      provider.trouble('silence')
      await expire()
      provider.onRefresh(() => provider.trouble(undefined))
      const notNow = { error: 'temporarily_unavailable' }
      for (const answer of await everybody(person))
        expect(answer?.body).toMatchObject(answer?.status === 503 ? notNow : { access_token: expect.any(String) })
      await backends.advance(40)
      expect((await persist(person)).status).toBe(200)
      expect(provider.refreshes()).toBe(1)
      expect(provider.mostAttempts()).toBe(2)
    })

    it('loses no session to a provider that is silent for ten minutes and returns without having rotated', async () => {
      const person = await open()
      provider.trouble('silence')
      await expire()
      const steps = FULL ? 20 : 3
      for (let step = 0; step < steps; step++) {
        for (const answer of await everybody(person)) expect(answer?.status).toBe(503)
        await backends.advance(600 / steps)
        provider.advance(600 / steps)
      }
      provider.trouble(undefined)
      await backends.advance(40)
      expect((await persist(person)).status).toBe(200)
      expect(provider.refreshes()).toBe(1)
    })

    it('[F-65] keeps what the provider gave while the store is stopped, and stores it when it is back: one grant', async () => {
      const person = await open()
      provider.trouble({ slow: 1000 })
      await expire()
      const asked = new Promise<void>((resolve) => provider.onRefresh(() => resolve()))
      const answers = everybody(person)
      await asked
      await server.stop('SIGKILL')
      await pause(2.5)
      await server.start()
      for (const answer of await answers) expect([200, 503]).toContain(answer?.status)
      provider.trouble(undefined)
      const answer = await persist(person)
      expect(answer.status).toBe(200)
      expect(provider.refreshes()).toBe(1)
      expect(provider.mostAttempts()).toBe(1)
    })

    it('lets a process that stops finish its refresh, and sends new ones elsewhere', async () => {
      const person = await open()
      const [stopping, staying] = backends.all()
      if (!stopping || !staying) throw new Error('no processes')
      provider.trouble({ slow: 1000 })
      await expire()
      const asked = new Promise<string>((resolve) => provider.onRefresh((worker) => resolve(worker)))
      const inFlight = person.refresh(stopping.url)
      expect(await asked).toBe(stopping.name)
      const closed = stopping.call({ type: 'close' })
      const health = () => fetch(`${stopping.url}/bff/health`)
      await vi.waitFor(async () => expect((await health()).status).toBe(503))
      expect(await (await health()).json()).toEqual({ status: 'draining' })
      expect((await inFlight).status).toBe(200)
      await closed
      await expire()
      const refused = await person.refresh(stopping.url)
      expect(refused.status).toBe(503)
      expect((await person.who(stopping.url)).body['user']).toMatchObject({ sub: 'person-0' })
      expect((await person.refresh(staying.url)).status).toBe(200)
      expect(provider.refreshes()).toBe(2)
    })

    it('is over when somebody signs out at another process in the middle of it', async () => {
      const person = await open()
      const [first, second] = backends.all()
      if (!first || !second) throw new Error('no processes')
      provider.trouble({ slow: 1000 })
      await expire()
      const asked = new Promise<void>((resolve) => provider.onRefresh(() => resolve()))
      const late = person.refresh(first.url)
      await asked
      const copy = createPerson(provider)
      for (const [name, value] of person.jar) copy.jar.set(name, value)
      expect((await copy.signOut(second.url)).status).toBe(200)
      expect((await late).body).toMatchObject({ error: 'invalid_grant', reason: 'logged_out' })
    })
  })

async function migrate(port: number) {
  const { store, close } = await openPostgres(postgresUrl(port))
  await store.migrate()
  await close()
}
