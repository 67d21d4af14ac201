import { exportJWK, generateKeyPair } from 'jose'
import {
  type AgentEvent,
  agentAnswer,
  createToolAccess,
  scenarios,
  type ToolAccessOptions,
  type ToolCall,
  type ToolGrant,
} from 'sallyport/agents'
import { type Authenticator, accessToken, createGuard, type Principal, withPeer } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { type AccessTokenClaims, createTokenIssuer } from 'sallyport/tokens'
import { encodeBase64url } from '../../src/protocol/base64url.js'
import { createApprovals, createAudit, createRegistry } from './stand-ins.js'

export const API = 'https://api.example.com'
export const DAY = 86_400
/** Midday, UTC. */
export const NOON = 1_790_000_000 - (1_790_000_000 % DAY) + DAY / 2

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const key = JSON.stringify(await exportJWK(privateKey))
const certificate = crypto.getRandomValues(new Uint8Array(300))
const thumbprint = encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', certificate)))

export interface Caller {
  agent?: string
  /** The person on whose behalf. */
  sub?: string
  role?: string
  scopes?: string[]
  tenant?: string
  limits?: Record<string, unknown>
  mtls?: boolean
  claims?: AccessTokenClaims
}

/** An API that offers tools to agents, and everything that it needs; the clock stands still. */
export async function world(options: Partial<ToolAccessOptions> = {}) {
  let time = NOON
  const now = () => time
  const store = memoryStore({ now })
  const ledger = options.ledger ?? memoryLedger({ now })
  const registry = createRegistry(store)
  const approvals = createApprovals({ store, now })
  const audit = createAudit(store)
  const events: AgentEvent[] = []
  const executed: { tool: string; args: unknown; model?: string }[] = []
  const open = (more: Partial<ToolAccessOptions> = {}) =>
    createToolAccess({
      agents: registry,
      ledger,
      approvals,
      audit,
      sandbox: async ({ tool, args }) => {
        executed.push({ tool, args })
        return 'from the sandbox'
      },
      tools: {
        'data.read': 'data:read',
        'model.chat': 'data:read',
        'notes.update': 'data:write',
        'public.read': scenarios.readPublic.tool,
        'notes.replace': scenarios.modifyUserData.tool,
        'mail.send': scenarios.callExternal.tool,
        'code.run': scenarios.execute.tool,
      },
      now,
      onEvent: (event) => events.push(event),
      ...options,
      ...more,
    })
  const verifyToolAccess = open()

  const tokens = createTokenIssuer({
    issuer: 'https://login.example.com',
    audience: API,
    keys: [{ alg: 'ES256', key }],
    store,
    now,
  })
  const verifier = accessToken({ issuer: tokens.issuer, algs: tokens.algs, keys: tokens.keys })
  const agentToken: Authenticator = {
    ...verifier,
    method: 'agent_token',
    async verify(request, context) {
      const verdict = await verifier.verify(request, context)
      return verdict.ok ? { ok: true, principal: { ...verdict.principal, method: 'agent_token' } } : verdict
    },
  }
  const keys = createApiKeys({ store, prefix: 'sp_test', scopes: ['data:read', 'data:write'], now })
  const protect = createGuard({ resource: API, accept: [agentToken, apiKey(keys)], now })

  await registry.put('agent_a', { role: 'writer' })

  async function requestOf(caller: Caller, body: unknown): Promise<Request> {
    const { agent = 'agent_a', sub = agent, role = 'writer', limits, mtls, claims } = caller
    const { scopes = ['data:read', 'data:write', 'model:standard'], tenant = 'acme' } = caller
    const { access_token } = await tokens.issue({
      sub,
      client_id: agent,
      scopes,
      claims: {
        tenant,
        role,
        ...(limits && { authorization_details: [{ type: 'sallyport_agent', role, ...limits }] }),
        ...(mtls && { cnf: { 'x5t#S256': thumbprint } }),
        ...claims,
      },
    })
    return sent({ Authorization: `Bearer ${access_token}` }, body, mtls)
  }

  const sent = (headers: Record<string, string>, body: unknown, mtls = false): Request => {
    const request = new Request(`${API}/tools`, { method: 'POST', headers, body: JSON.stringify(body) })
    return mtls ? withPeer(request, { address: '192.0.2.1', encrypted: true, certificate }) : request
  }

  /** The API: a tool call comes in, and is made or refused. */
  async function api(request: Request): Promise<Response> {
    const outcome = await protect(request)
    if (!outcome.ok) return outcome.response
    const call: ToolCall & { units?: number } = await request.json()
    try {
      await using grant = await verifyToolAccess(outcome.principal, call)
      await grant.confirm()
      const { tool, args, model } = grant
      executed.push({ tool, args, ...(model !== undefined && { model }) })
      await grant.settle({ units: call.units ?? call.estimate ?? 0 })
      return Response.json({ tool, ...(model !== undefined && { model }) })
    } catch (error) {
      return agentAnswer(error, { now })
    }
  }

  async function principalOf(caller: Caller): Promise<Principal> {
    const outcome = await protect(await requestOf(caller, {}))
    if (!outcome.ok) throw new Error(`not let in: ${await outcome.response.text()}`)
    return outcome.principal
  }

  return {
    api,
    approvals,
    audit,
    events,
    executed,
    keys,
    ledger,
    now,
    open,
    principalOf,
    protect,
    registry,
    requestOf,
    sent,
    store,
    verifyToolAccess,
    advance(seconds: number) {
      time += seconds
    },
    /** What the API answers: `ok`, or status and error. */
    async call(call: ToolCall & { units?: number }, caller: Caller = {}): Promise<unknown> {
      const response = await api(await requestOf(caller, call))
      return response.ok ? 'ok' : [response.status, (await response.json()).error]
    },
    grant: async (call: ToolCall, caller: Caller = {}): Promise<ToolGrant> =>
      verifyToolAccess(await principalOf(caller), call),
    /** The code of the refusal, or `ok`. */
    code: async (call: ToolCall, caller: Caller = {}): Promise<string> => {
      const principal = await principalOf(caller)
      return verifyToolAccess(principal, call).then(
        () => 'ok',
        (error) => error.code ?? `${error}`,
      )
    },
    balance: (subject: `agent:${string}` | `tenant:${string}` | `user:${string}` | `key:${string}` = 'agent:agent_a') =>
      ledger.read('acme', { subject, window: 'day' }).then(({ committed, held }) => [committed, held]),
  }
}
