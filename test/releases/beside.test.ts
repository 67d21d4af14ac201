import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startRedis } from '../services/redis.js'
import type { TestServer } from '../services/server.js'
import { type Backends, createBackends } from '../store/backends.js'
import { type Answer, createPerson, type Person } from '../store/person.js'
import { type Provider, startProvider } from '../store/provider.js'
import { unpack } from './release.js'

/** The release before this one serves beside it for as long as an upgrade takes: nobody is to notice. */

const earlier = unpack('0.2.0')
const PEOPLE = 40
const ROUNDS = 10

let redis: TestServer
let provider: Provider
let backends: Backends

beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis?.remove())
afterEach(async () => {
  await backends?.remove()
  await provider?.remove()
})

/** Backends of both releases, half and half, and people who signed in at either. */
async function open(engine: 'redis' | 'sealed', each: number): Promise<Person[]> {
  provider = await startProvider()
  const { issuer, client_secret } = provider
  backends = createBackends({ engine, enginePort: redis.port, issuer, client_secret, timeout: 10 })
  for (let at = 0; at < each; at++) {
    await backends.start(earlier)
    await backends.start()
  }
  const people: Person[] = []
  // One after another: the provider's page knows one person at a time.
  for (let at = 0; at < PEOPLE; at++) {
    const person = createPerson(provider, `person-${at}`)
    expect((await person.signIn(urlOf(at))).status).toBe(200)
    people.push(person)
  }
  return people
}

const urlOf = (at: number): string => {
  const all = backends.all()
  return all[at % all.length]?.url ?? ''
}

async function expire(): Promise<void> {
  provider.advance(301)
  await backends.advance(301)
}

const tokenOf = ({ status, body }: Answer): string => (status === 200 ? `${body.access_token}` : JSON.stringify(body))

describe('0.2.0 and this release, on one store', () => {
  it('renew each session once for each expiry, whoever made it, and sign nobody out', async () => {
    const people = await open('redis', 2)
    for (let round = 1; round <= ROUNDS; round++) {
      await expire()
      const answers = await Promise.all(
        people.map((person) => Promise.all(backends.all().map(({ url }) => person.refresh(url)))),
      )
      for (const own of answers) expect(new Set(own.map(tokenOf)).size, own.map(tokenOf).join()).toBe(1)
      expect(provider.refreshes()).toBe(round * PEOPLE)
    }
    expect(provider.mostAttempts()).toBe(1)
    const who = await Promise.all(people.flatMap((person) => backends.all().map(({ url }) => person.who(url))))
    expect(who.filter(({ body }) => !body.user)).toEqual([])
    expect(backends.events().filter(({ type }) => type === 'signed_out' || type === 'operator_error')).toEqual([])
  })

  it('know of each other’s sign-outs at once', async () => {
    const people = await open('redis', 1)
    for (const [at, person] of people.entries()) {
      const copy = createPerson(provider)
      for (const [name, value] of person.jar) copy.jar.set(name, value)
      expect((await person.signOut(urlOf(at))).status).toBe(200)
      expect((await copy.who(urlOf(at + 1))).body).toMatchObject({ user: null, reason: 'logged_out' })
    }
  })
})

describe('0.2.0 and this release, one after the other, with sealed cookies', () => {
  it('read each other’s cookies, spend no refresh token twice, and sign nobody out', async () => {
    const people = await open('sealed', 1)
    for (let round = 0; round < ROUNDS; round++) {
      await expire()
      // A sealed session is one process’s at a time: now that of this release, now the other.
      const answers = await Promise.all(people.map((person, at) => person.refresh(urlOf(at + round))))
      expect(answers.filter(({ status }) => status !== 200)).toEqual([])
      const who = await Promise.all(people.map((person, at) => person.who(urlOf(at + round + 1))))
      expect(who.filter(({ body }) => !body.user)).toEqual([])
    }
    expect(provider.mostAttempts()).toBe(1)
    expect(backends.events().filter(({ type }) => type === 'signed_out' || type === 'operator_error')).toEqual([])
  })
})
