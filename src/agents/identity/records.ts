import type { Put, RecordId, RecordStore } from '../../store/contract.js'
import { type StoredJson, storedJson } from '../../store/stored-json.js'
import type { Person } from '../is-person.js'
import { hashedName } from '../record-name.js'
import { type AgentRow, agentId, idPattern, readRow } from './agent-record.js'

/** Whether the agents of a tenant are stopped. Tokens are valid only with its current epoch. */
interface Switch {
  epoch: string
  /** Epoch seconds; absent: they are not stopped. */
  stoppedAt?: number
  reason?: string
}

/** The consent of a person that an agent acts for them. */
export interface Consent extends Person {
  id: string
  tenant: string
  agent: string
  scopes: readonly string[]
  /** Epoch seconds, as is `expiresAt`. */
  at: number
  expiresAt: number
}

const switches = storedJson<Switch>()
const consents = storedJson<Consent>()
/** The last end of a person's sign-ins. 0.1.0 wrote the epoch alone. */
interface PersonEnd {
  epoch: string
  /** Epoch seconds: sign-ins up to here have ended. */
  at?: number
}
const people = storedJson<PersonEnd>((value) => ({ epoch: JSON.parse(value) }))

/** Seconds for which ended sign-ins and ended sessions are remembered: longer than consents and sign-ins last. */
const PERSON_TTL = 400 * 86_400
const SESSION_TTL = 90 * 86_400

export const consentIndex = 'agent-consent'

/** Records of 0.1.0, without the issuer, are not found: they could be of another person with the same `sub`. */
export const personName = (tenant: string, { iss, sub }: Person): Promise<string> => hashedName(tenant, iss, sub)

export type Records = ReturnType<typeof createRecords>

/** Records of agents, of tenants, and of the people that agents act for. */
export function createRecords(store: RecordStore) {
  const read = async <Row extends object>({ read }: StoredJson<Row>, id: RecordId): Promise<Row | undefined> => {
    const stored = await store.get(id)
    return stored && read(stored.value)
  }
  const put = async (id: RecordId, value: string, more: Pick<Put, 'ttl' | 'index'> = {}): Promise<void> => {
    await store.write([{ type: 'put', id, value, ifVersion: 'any', ...more }])
  }
  const switchId = async (tenant: string) => ({
    kind: 'agent-switch',
    partition: await hashedName(tenant),
    id: 'switch',
  })
  const personId = async (tenant: string, person: Person) => ({
    kind: 'agent-person',
    partition: await personName(tenant, person),
    id: 'person',
  })
  const sessionId = async (tenant: string, person: Person, session: string) => ({
    kind: 'agent-session',
    partition: await personName(tenant, person),
    id: session,
  })
  const consentId = async (tenant: string, person: Person, agent: string) => ({
    kind: 'agent-consent',
    partition: await personName(tenant, person),
    id: agent,
  })

  return {
    /** Texts that are not an id are not looked up. */
    async agent(id: string): Promise<{ row: AgentRow; version: number } | undefined> {
      const stored = idPattern.test(id) ? await store.get(agentId(id)) : undefined
      return stored && { row: readRow(stored), version: stored.version }
    },

    switchOf: async (tenant: string) => read(switches, await switchId(tenant)),
    /** Kept without end. */
    setStop: async (tenant: string, row: Switch & { stoppedAt: number }) =>
      put(await switchId(tenant), switches.write(row)),
    /** Fails if they are stopped again at this moment. @returns whether it was written */
    async setRunning(tenant: string, epoch: string): Promise<'already' | boolean> {
      const id = await switchId(tenant)
      const stored = await store.get(id)
      if (!stored || switches.read(stored.value).stoppedAt === undefined) return 'already'
      const value = switches.write({ epoch })
      return store.write([{ type: 'put', id, value, ifVersion: stored.version }])
    },

    /** The last end of a person's sign-ins. */
    personOf: async (tenant: string, person: Person) => read(people, await personId(tenant, person)),
    setPerson: async (tenant: string, person: Person, { epoch, at }: Required<PersonEnd>) => {
      const id = await personId(tenant, person)
      // Setting the clock back must not make ended sign-ins valid.
      const before = (await read(people, id))?.at ?? at
      await put(id, people.write({ epoch, at: Math.max(at, before) }), { ttl: PERSON_TTL })
    },

    /** Whether one session of a person was ended: then the record exists. `session` is the digest in tokens. */
    isOver: async (tenant: string, person: Person, session: string) =>
      (await store.get(await sessionId(tenant, person, session))) !== undefined,
    setOver: async (tenant: string, person: Person, session: string) =>
      put(await sessionId(tenant, person, session), '"over"', { ttl: SESSION_TTL }),

    consentOf: async (tenant: string, person: Person, agent: string) =>
      read(consents, await consentId(tenant, person, agent)),
    setConsent: async (consent: Consent, ttl: number) => {
      const { tenant, agent } = consent
      const value = await personName(tenant, consent)
      await put(await consentId(tenant, consent, agent), consents.write(consent), {
        ttl,
        index: [{ index: consentIndex, value }],
      })
    },
    /** @returns whether there was a consent */
    async removeConsent(tenant: string, person: Person, agent: string): Promise<boolean> {
      const id = await consentId(tenant, person, agent)
      const stored = await store.get(id)
      if (stored) await store.write([{ type: 'delete', id, ifVersion: 'any' }])
      return stored !== undefined
    },
  }
}
