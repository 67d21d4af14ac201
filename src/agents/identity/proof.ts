import { decodeJwt, type JWTPayload, jwtVerify } from 'jose'
import { CLOCK_TOLERANCE } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import { verifierOf } from '../jwk.js'
import { hashedName } from '../record-name.js'
import type { AgentRow } from './agent-record.js'
import type { Records } from './records.js'

/** Maximum lifetime of a proof in seconds. */
export const PROOF_LIFETIME = 60
/** Maximum characters of a proof. */
const MAX_LENGTH = 8192

interface Proof {
  row: AgentRow
  claims: JWTPayload
}

/** What is wrong with a proof, only for the event; `agent` is the agent that it claims to be from. */
interface Flaw {
  flaw: string
  agent: string
}

/**
 * Verifies a short-lived JWT that an agent has signed with its registered key: `iss` and `sub` are its id, `aud` is the recipient. Key
 * and algorithm are the registered ones, not those of the header. Check its other claims before `spendProof()`.
 *
 * @param types the allowed values of `typ`, in lower case; `undefined` for none: one kind of proof is not accepted as another
 */
export async function checkProof(
  jwt: string,
  {
    audience,
    types,
    records,
    now,
  }: { audience: string; types: readonly (string | undefined)[]; records: Records; now: number },
): Promise<Proof | Flaw> {
  if (jwt.length > MAX_LENGTH || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt)) return { flaw: 'shape', agent: '' }
  const agent = claimant(jwt)
  const stored = await records.agent(agent)
  if (!stored) return { flaw: 'unknown', agent: '' }
  const { row } = stored
  const refused = (flaw: string): Flaw => ({ flaw, agent })
  const { key, algorithms } = await verifierOf(row.publicKey)
  try {
    const { payload, protectedHeader } = await jwtVerify(jwt, key, {
      algorithms,
      audience,
      issuer: agent,
      subject: agent,
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: PROOF_LIFETIME,
      clockTolerance: CLOCK_TOLERANCE,
      currentDate: new Date(now * 1000),
    })
    const { exp = 0, iat = 0, jti, aud } = payload
    if (!types.includes(protectedHeader.typ?.toLowerCase())) return refused('typ')
    // RFC 7523 section 3 allows several audiences, but a proof must be for one recipient only.
    if (Array.isArray(aud) && aud.length > 1) return refused('aud')
    if (exp - iat > PROOF_LIFETIME) return refused('exp')
    return typeof jti === 'string' && jti && jti.length <= 256 ? { row, claims: payload } : refused('jti')
  } catch (error) {
    return refused(`${(error as { claim?: string }).claim ?? (error as { code?: string }).code}`)
  }
}

/** `true` for the first use of a proof, in all processes. */
export async function spendProof(store: RecordStore, { row, claims }: Proof): Promise<boolean> {
  const id = await hashedName(row.id, `${claims.jti}`)
  return store.consume({ kind: 'agent-proof', partition: id.slice(0, 8), id }, PROOF_LIFETIME + 3 * CLOCK_TOLERANCE)
}

/** The agent that a proof claims to be from, not verified: to find the key. */
function claimant(jwt: string): string {
  try {
    return `${decodeJwt(jwt).iss}`
  } catch {
    return ''
  }
}
