import { SignJWT } from 'jose'
import { encodeBase64url } from '../../protocol/base64url.js'
import { emitTo } from '../../protocol/emit-to.js'
import { SallyportError } from '../../protocol/error.js'
import { isHttpUrl, type PublicUrl, publicUrlOf } from '../../protocol/http/public-url.js'
import { createSecretCache, freshSecrets, type Secret } from '../../protocol/secret.js'
import { described, either, func, integer, object, optional, secret, text } from '../../protocol/shape.js'
import { type Now, systemNow } from '../../protocol/time.js'
import { validate } from '../../protocol/validate.js'
import { requestCheck } from '../../protocol/web-checks.js'
import { type RecordStore, StoreError } from '../../store/contract.js'
import { storeCheck } from '../../store/engine-checks.js'
import { AGENT_HEADER, agentAnswer } from '../agent-answer.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import { signerOf } from '../jwk.js'
import { type AgentRecord, recordOf } from './agent-record.js'
import { checkProof, PROOF_LIFETIME, spendProof } from './proof.js'
import { readBody } from './read-body.js'
import { createRecords } from './records.js'
import { dependenceOf } from './status.js'

const TYPE = 'agent-request+jwt'

export interface SignRequestOptions {
  /** The id of the agent that sends the request. */
  agent: string
  /** Its private key, a JWK in JSON, or how to get it. */
  key: Secret
  /** The recipient: its `audience`. */
  audience: string
  now?: Now
}

/**
 * Signs a request to another agent: method, URL, body and recipient. Valid for a minute, and once.
 *
 * @returns a new request; the given one is used up
 * @throws TypeError when `key` is not a private key as a JWK
 */
export async function signRequest(request: Request, options: SignRequestOptions): Promise<Request> {
  validate('signRequest', requestCheck, request, 'request')
  validate('signRequest', signRequestOptions, options)
  const { agent, key, audience, now = systemNow } = options
  const { signer, publicKey } = await current(key)
  const body = new Uint8Array(await request.clone().arrayBuffer())
  const iat = Math.floor(now())
  const claims = { htm: request.method, htu: addressOf(request.url), digest: await digestOf(body) }
  const jwt = await new SignJWT(claims)
    .setProtectedHeader({ alg: publicKey.alg, typ: TYPE })
    .setIssuer(agent)
    .setSubject(agent)
    .setAudience(audience)
    .setIssuedAt(iat)
    .setExpirationTime(iat + PROOF_LIFETIME)
    .setJti(crypto.randomUUID())
    .sign(signer)
  const signed = new Request(request)
  signed.headers.set(AGENT_HEADER, jwt)
  return signed
}

type Signer = Awaited<ReturnType<typeof signerOf>>
/** Signers by the function that reads the key: the previous key is used while the function fails. */
const signers = new WeakMap<() => Promise<string>, () => Promise<Signer>>()

function current(key: Secret): Promise<Signer> {
  const read = () => signerOf(key, 'signRequest: "key"')
  if (typeof key !== 'function') return read()
  const reading = signers.get(key) ?? createSecretCache(read, { ...freshSecrets, dynamic: true })
  signers.set(key, reading)
  return reading()
}

export const signRequestOptions = object<SignRequestOptions>({
  agent: text,
  key: secret,
  audience: text,
  now: optional(func),
})

export interface PeerCheckOptions {
  /** The id of this agent or the address of this service. Requests to another recipient are refused. */
  audience: string
  /** The store of `createAgents`: it has the agents, and remembers requests that were used. */
  store: RecordStore
  /**
   * The public address of this service. Default: the origin of `audience`, with path and query of the request; the header `Host` is
   * not used. Pass an origin if `audience` is an agent's id, or a function if a proxy in front changes the path.
   */
  publicUrl?: PublicUrl
  /** Maximum bytes of a body. Default 1 MiB. */
  limit?: number
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

export const peerCheckOptions = object<PeerCheckOptions>({
  audience: text,
  store: described('the store of createAgents(…)', storeCheck),
  publicUrl: optional(either(text, func)),
  limit: optional(integer({ least: 0 }, 'a number of bytes')),
  onEvent: optional(func),
  now: optional(func),
})

/** `body` is the signed body. The body of the request can still be read too. */
export type PeerCheckResult = { ok: true; agent: AgentRecord; body: Uint8Array } | { ok: false; response: Response }

/**
 * Verifies requests that agents have signed with `signRequest()`: registered key, recipient, age of at most a minute, method, URL, body,
 * and first use. The agent must not be decommissioned, and its tenant not stopped.
 *
 * The responses are 401 `invalid_agent_request` for every cause, 413 for a body above the limit, 503 when the store is down. Not
 * checked: the agent's tenant and its permissions. Compare the tenant, and require a token for permissions.
 *
 * @throws TypeError naming the option
 */
export function createPeerCheck(options: PeerCheckOptions): (request: Request) => Promise<PeerCheckResult> {
  validate('createPeerCheck', peerCheckOptions, options)
  const { audience, store, publicUrl = audience, limit = 1_048_576, onEvent, now = systemNow } = options
  if (typeof publicUrl === 'string' && !isHttpUrl(publicUrl))
    throw new TypeError(
      'createPeerCheck: "publicUrl" must be the origin where callers reach us, like https://orders.example.com: "audience" is no URL',
    )
  const records = createRecords(store)
  const emit = emitTo(onEvent)
  const refuse = (agent: string, detail: string): PeerCheckResult => {
    emit({ type: 'agent_proof_refused', agent, detail })
    return refused(agentError('invalid_agent_request'))
  }

  async function verify(request: Request): Promise<PeerCheckResult> {
    const jwt = request.headers.get(AGENT_HEADER) ?? ''
    const proof = await checkProof(jwt, { audience, types: [TYPE], records, now: now() })
    if ('flaw' in proof) return refuse(proof.agent, proof.flaw)
    const { row, claims } = proof
    if (claims['htm'] !== request.method) return refuse(row.id, 'htm')
    if (claims['htu'] !== publicUrlOf(request, publicUrl)?.href) return refuse(row.id, 'htu')
    const body = await readBody(request.clone(), limit)
    if (!body) return refused(agentError('request_too_large'))
    if (claims['digest'] !== (await digestOf(body))) return refuse(row.id, 'digest')
    await dependenceOf(records, row)
    if (!(await spendProof(store, proof))) return refuse(row.id, 'used')
    return { ok: true, agent: recordOf(row), body }
  }

  return async (request) => {
    validate('check', requestCheck, request, 'request')
    try {
      return await verify(request)
    } catch (error) {
      if (error instanceof StoreError) return refused(error)
      if (error instanceof SallyportError) return refuse('', error.code)
      throw error
    }
  }
}

const refused = (error: SallyportError): PeerCheckResult => ({ ok: false, response: agentAnswer(error) })

/** The URL without its fragment, which is not sent. */
function addressOf(address: string): string {
  const url = new URL(address)
  url.hash = ''
  return url.href
}

const digestOf = async (body: Uint8Array<ArrayBuffer>): Promise<string> =>
  encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', body)))
