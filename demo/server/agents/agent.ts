import { generateProof } from 'dpop'
import type { JWK } from 'jose'
import { createMachineClient, type MachineClient } from 'sallyport/machine'
import type { ClientCertificate, Courier } from './courier.js'
import type { PlannedCall } from './planner.js'

export interface Surroundings {
  /** The URL of the tools, and the issuer of the agents' tokens. */
  tools: string
  issuer: string
  courier: Courier
}

/** The result of a call. */
export interface Outcome {
  status: number
  /** The code of a refusal. */
  error?: string
  result?: unknown
  units?: number
  approval?: { id: string; code: string; expiresAt: number }
}

/** Gets a token with which the agent acts for its user, bound to the agent's key or certificate. */
export type Borrow = (request: { bindTo: 'key' | { 'x5t#S256': string }; resource?: string }) => Promise<string>

/** The secrets of an agent. */
interface Belongings {
  keys: CryptoKeyPair
  apiKey: string
  certificate: ClientCertificate
  client: MachineClient
}

/**
 * The agents themselves, which would run elsewhere in production. This part has their private keys, certificates and API keys, and
 * uses only HTTP.
 */
export function createAgentHost({ tools, issuer, courier }: Surroundings) {
  const agents = new Map<string, Belongings>()

  function belongingsOf(id: string): Belongings {
    const found = agents.get(id)
    if (!found) throw new Error('This agent does not run here.')
    return found
  }

  return {
    runs: (id: string): boolean => agents.has(id),

    /** Makes a key pair. The public key is for the registry; `settle` adds the agent when it has an id. */
    async create() {
      const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
      const publicKey = (await crypto.subtle.exportKey('jwk', keys.publicKey)) as JWK
      return {
        publicKey: { kty: 'EC', crv: 'P-256', x: `${publicKey.x}`, y: `${publicKey.y}` },
        async settle(id: string, apiKey: string): Promise<void> {
          const privateKey = await crypto.subtle.exportKey('jwk', keys.privateKey)
          const client = createMachineClient({
            issuer,
            client_id: id,
            clientAuthentication: 'private_key_jwt',
            clientKey: JSON.stringify({ ...privateKey, alg: 'ES256' }),
            scope: 'data:read',
          })
          agents.set(id, { keys, apiKey, certificate: await courier.certify(id), client })
        },
      }
    },

    /** One call on its own behalf, with a token from the token endpoint, which it keeps while it is valid. */
    async ownCall(id: string): Promise<Outcome> {
      const init = { method: 'POST', body: JSON.stringify({ tool: 'notices.read', args: {} }) }
      return outcomeOf(await belongingsOf(id).client.fetch(tools, init))
    },

    async call(id: string, { tool, args, as }: PlannedCall, borrow: Borrow, approval?: string): Promise<Outcome> {
      const { keys, apiKey, certificate } = belongingsOf(id)
      const body = JSON.stringify({ tool, args, ...(approval !== undefined && { approval }) })
      const send = async (url: string, headers: Record<string, string>, fetch = globalThis.fetch) =>
        outcomeOf(await fetch(url, { method: 'POST', body, headers }))
      if (as === 'api_key') return send(tools, { 'X-API-Key': apiKey })
      if (as === 'certificate') {
        const { resource } = courier
        const token = await borrow({ bindTo: { 'x5t#S256': certificate.thumbprint }, resource })
        return send(resource, { Authorization: `Bearer ${token}` }, certificate.fetch)
      }
      const token = await borrow({ bindTo: 'key' })
      const proof = await generateProof(keys, tools, 'POST', undefined, token)
      return send(tools, { Authorization: `DPoP ${token}`, DPoP: proof })
    },
  }
}

async function outcomeOf(response: Response): Promise<Outcome> {
  const body = await response.json().catch(() => ({}))
  return { status: response.status, ...body }
}

export type AgentHost = ReturnType<typeof createAgentHost>
