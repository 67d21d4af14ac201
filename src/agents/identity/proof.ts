import { decodeJwt, type JWTPayload, jwtVerify } from 'jose'
import { CLOCK_TOLERANCE } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import { verifierOf } from '../jwk.js'
import { nameOf } from '../record-name.js'
import type { AgentRow } from './agent-record.js'
import type { Records } from './records.js'

/** Seconds that what an agent signs is good for, at most. */
export const PROOF_LIFE = 60
/** Characters. What is longer is refused before anything is computed. */
const LONGEST = 8192

export interface Proof {
  row: AgentRow
  claims: JWTPayload
}

/** What is wrong with a proof, for the operator's event alone; `agent` is whose it claims to be. */
interface Flaw {
  flaw: string
  agent: string
}

/**
 * A short-lived JWT that an agent has signed with its registered key: `iss` and `sub` are its id, `aud` is who is meant. Key and
 * algorithm are the registered ones, whatever the header says. It is not spent yet: what else it says is to be checked first.
 *
 * @param types what `typ` may be, in lower case; `undefined` for none, so that one kind of proof is never taken for another
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
  if (jwt.length > LONGEST || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt)) return { flaw: 'shape', agent: '' }
  const agent = claimant(jwt)
  const found = await records.agent(agent)
  if (!found) return { flaw: 'unknown', agent: '' }
  const { row } = found
  const refused = (flaw: string): Flaw => ({ flaw, agent })
  const { key, algorithms } = await verifierOf(row.publicKey)
  try {
    const { payload, protectedHeader } = await jwtVerify(jwt, key, {
      algorithms,
      audience,
      issuer: agent,
      subject: agent,
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: PROOF_LIFE,
      clockTolerance: CLOCK_TOLERANCE,
      currentDate: new Date(now * 1000),
    })
    const { exp = 0, iat = 0, jti, aud } = payload
    if (!types.includes(protectedHeader.typ?.toLowerCase())) return refused('typ')
    // Meant for nobody else either: RFC 7523 section 3 lets several stand there.
    if (Array.isArray(aud) && aud.length > 1) return refused('aud')
    if (exp - iat > PROOF_LIFE) return refused('exp')
    return typeof jti === 'string' && jti && jti.length <= 256 ? { row, claims: payload } : refused('jti')
  } catch (error) {
    return refused(`${(error as { claim?: string }).claim ?? (error as { code?: string }).code}`)
  }
}

/** `true` for the first one who asks, in any process. */
export async function spendProof(store: RecordStore, { row, claims }: Proof): Promise<boolean> {
  const id = await nameOf(row.id, `${claims.jti}`)
  return store.consume({ kind: 'agent-proof', partition: id.slice(0, 8), id }, PROOF_LIFE + 3 * CLOCK_TOLERANCE)
}

/** Whose a proof claims to be: enough to look for the key. */
function claimant(jwt: string): string {
  try {
    return `${decodeJwt(jwt).iss}`
  } catch {
    return ''
  }
}
