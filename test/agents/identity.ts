import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type AgentEvent, type AgentsOptions, agentToken, createAgents, createApprovals } from 'sallyport/agents'
import { accessToken, createGuard, type GuardEvent, type Principal, type Requirements } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { type Ledger, memoryLedger, memoryStore, type RecordStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'

export const LOGIN = 'https://login.example.com'
export const AGENTS = 'https://app.example.com/agents'
export const API = 'https://api.example.com'
export const OTHER = 'https://other.example.com'
export const DAY = 86_400
/** Midday, UTC. */
export const NOON = 1_790_000_000 - (1_790_000_000 % DAY) + DAY / 2

/** A key of an agent, with its private half as the agent keeps it. */
export async function agentKey(alg: 'ES256' | 'EdDSA' = 'ES256') {
  const pair = await generateKeyPair(alg, { extractable: true })
  const publicKey = await exportJWK(pair.publicKey)
  return { alg, pair, publicKey, key: JSON.stringify(await exportJWK(pair.privateKey)) }
}
export type AgentKey = Awaited<ReturnType<typeof agentKey>>

export const signingKey = async () => ({ alg: 'ES256' as const, key: (await agentKey()).key })
const keys = { people: await signingKey(), agents: await signingKey() }

/** Who proves to be an agent; each claim and header can be bent. */
export const assertion = (
  { alg, pair }: AgentKey,
  agent: string,
  time: number,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
) =>
  new SignJWT(
    JSON.parse(
      JSON.stringify({
        iss: agent,
        sub: agent,
        aud: AGENTS,
        iat: time,
        exp: time + 60,
        jti: crypto.randomUUID(),
        ...claims,
      }),
    ),
  )
    .setProtectedHeader({ alg, ...header })
    .sign(pair.privateKey)

type Roles = Readonly<Record<string, readonly string[]>>

export interface SceneOptions {
  store?: (store: RecordStore) => RecordStore
  ledger?: Ledger
  /** Where the engines have a clock of their own. Default: one that stands still, at noon. */
  now?: () => number
  agents?: Partial<AgentsOptions<Roles>>
}

export const roles: Roles = {
  reader: ['data:read'],
  writer: ['data:read', 'data:write'],
  executor: ['data:read', 'exec:sandbox'],
}

/** People with tokens of their own issuer, agents with theirs, two APIs that take both, and keys; one store, and a clock that stands still. */
export function scene({ store: wrap = (store) => store, agents: options = {}, ...engines }: SceneOptions = {}) {
  let time = NOON
  const now = engines.now ?? (() => time)
  const store = wrap(memoryStore({ now }))
  const ledger = engines.ledger ?? memoryLedger({ now })
  const approvals = createApprovals({ store, now })
  const apiKeys = createApiKeys({ store, prefix: 'sp_test', scopes: ['data:read', 'data:write'], now })
  const events: AgentEvent[] = []
  const heard: GuardEvent[] = []
  const issuerOf = (issuer: string, key: typeof keys.people) =>
    createTokenIssuer({ issuer, audience: API, keys: [key], store: memoryStore({ now }), now })
  const people = issuerOf(LOGIN, keys.people)
  const tokens = issuerOf(AGENTS, keys.agents)
  /** Another process, over the same store. */
  const open = () =>
    createAgents({
      tokens,
      store,
      ledger,
      approvals,
      roles,
      resources: [OTHER],
      now,
      onEvent: (event) => events.push(event),
      ...options,
    })
  const agents = open()
  const guard = (resource: string) =>
    createGuard({
      resource,
      accept: [
        accessToken({ issuer: LOGIN, algs: people.algs, keys: people.keys }),
        agentToken(
          agents,
          accessToken({ issuer: AGENTS, algs: tokens.algs, keys: tokens.keys, dpop: { store: memoryStore({ now }) } }),
        ),
        apiKey(apiKeys),
      ],
      onEvent: (event) => heard.push(event),
      now,
    })
  const protect = guard(API)

  async function ask(
    token: string,
    requirements: Requirements = {},
    headers: Record<string, string> = {},
    at = protect,
    url = API,
  ) {
    return at(new Request(url, { headers: { Authorization: `Bearer ${token}`, ...headers } }), requirements)
  }

  return {
    agents,
    apiKeys,
    approvals,
    tokens,
    people,
    store,
    ledger,
    events,
    heard,
    now,
    open,
    protect,
    other: guard(OTHER),
    advance: (seconds: number) => {
      time += seconds
    },
    register: async (more: Partial<Parameters<typeof agents.register>[0]> & { key?: AgentKey } = {}) => {
      const { key = await agentKey(), ...input } = more
      const publicKey: JWK = key.publicKey
      return agents.register({ tenant: 'acme', owner: 'ops', role: 'writer', publicKey, ...input })
    },
    ask,
    /** What the API answers: `ok`, or status and error. */
    async call(...asked: Parameters<typeof ask>) {
      const outcome = await ask(...asked)
      return outcome.ok ? 'ok' : [outcome.response.status, (await outcome.response.clone().json()).error]
    },
    /** Whom the API sees behind a token. */
    async who(token: string, headers: Record<string, string> = {}): Promise<Principal> {
      const outcome = await ask(token, {}, headers)
      if (!outcome.ok) throw new Error(await outcome.response.text())
      return outcome.principal
    },
    /** A call that waits for a person; resolves to the id. */
    waiting: async ({ agent, sub = 'alice' }: { agent: string; sub?: string }): Promise<string> =>
      (
        await approvals.request({
          tenant: 'acme',
          agent,
          iss: LOGIN,
          sub,
          tool: 'notes.replace',
          args: {},
          kind: 'user',
        })
      ).id,
    statuses: async (ids: readonly string[]) =>
      Promise.all(ids.map(async (id) => (await approvals.get(id, { tenant: 'acme' }))?.status)),
    /** A person who is signed in, as the guard has verified them. */
    async person({ sub = 'alice', tenant = 'acme', scopes = ['data:read', 'data:write'] as string[], ...claims } = {}) {
      const { access_token } = await people.issue({
        sub,
        client_id: 'app',
        scopes,
        claims: { tenant, auth_time: Math.floor(now()), ...claims },
      })
      const outcome = await ask(access_token)
      if (!outcome.ok) throw new Error(await outcome.response.text())
      return { principal: outcome.principal, token: access_token }
    },
    /** Of possession, for one request. @see RFC 9449 */
    async proof({ alg, pair, publicKey }: AgentKey, claims: Record<string, unknown>): Promise<string> {
      return new SignJWT({ htm: 'GET', htu: API, iat: now(), jti: crypto.randomUUID(), ...claims })
        .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: publicKey })
        .sign(pair.privateKey)
    },
  }
}

export type Scene = ReturnType<typeof scene>
