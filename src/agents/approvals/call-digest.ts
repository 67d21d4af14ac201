import { sha256 } from '../../crypto/hash.js'
import { isName, isSubject, nameRule, subjectRule } from '../../protocol/names.js'
import { canonical, digestOf } from '../canonical-json.js'
import { agentError } from '../errors.js'
import type { ApprovalRequest, Call } from './approval.js'

/** Maximum characters of a call: a person must be able to read it. */
const MAX_LENGTH = 32_768

/** The call as canonical JSON. @throws SallyportError `call_invalid`, its cause says why */
export async function readCall({ tenant, agent, iss, sub, tool, args, resource, model, estimate }: Call) {
  try {
    const target = { resource, model }
    const person = { iss, sub }
    if ((iss === undefined) !== (sub === undefined)) throw new TypeError('"iss" and "sub" name a person together')
    const present = (texts: object) => Object.entries(texts).filter(([, value]) => value !== undefined)
    for (const [name, text] of [...Object.entries({ tenant, agent, tool }), ...present(target)])
      if (!isName(text)) throw new TypeError(`"${name}" must be ${nameRule}`)
    for (const [name, text] of present(person))
      if (!isSubject(text)) throw new TypeError(`"${name}" must be ${subjectRule}`)
    const optional = Object.fromEntries([...present(person), ...present(target)])
    const call = canonical(
      { tenant, agent, tool, args, ...optional, ...(estimate !== undefined && { estimate }) },
      MAX_LENGTH,
    )
    return { call, digest: await sha256(call) }
  } catch (error) {
    throw agentError('call_invalid', error)
  }
}

/** Equal for two requests of the same call to the same approvers. */
export const questionDigest = (digest: string, { kind, freshWithin, acr }: ApprovalRequest): Promise<string> =>
  digestOf([digest, kind, freshWithin ?? null, acr ? [...acr] : null])
