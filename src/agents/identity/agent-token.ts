import { decodeJwt } from 'jose'
import type { AuthenticationResult, Authenticator, Principal } from '../../protocol/principal.js'
import { withMethods } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { StoreError } from '../../store/contract.js'
import { agentErrors } from '../errors.js'
import type { StatusCheck } from './status.js'

export const statusCheckShape = withMethods<StatusCheck>('createAgents(…) or createStatusCheck(…)', 'status')

/** Maximum characters of a token. */
const MAX_LENGTH = 16_384

/**
 * Accepts agents' tokens: `agentToken(agents, accessToken({ issuer: tokens.issuer, algs: tokens.algs, keys: tokens.keys }))`. The guard's
 * `accessToken` verifies them like any other, with their bindings; then the agent's status is checked, every time.
 *
 * The principal has `method: 'agent_token'`, so a route with `methods` refuses agents unless it names them. `client_id` is the agent
 * that calls, `sub` the person it acts for; `claims.act` has the chain. All of this comes from the token only.
 *
 * Every refused token (expired, decommissioned, stopped, withdrawn) is 401 `invalid_token` with the same body. If the store is down, the
 * answer is 503.
 *
 * @param agents `createAgents(…)`, or `createStatusCheck(…)` in an API that issues no tokens
 * @throws TypeError when `verifier` is not for the agents' issuer only
 */
export function agentToken(agents: StatusCheck, verifier: Authenticator): Authenticator {
  validate('agentToken', statusCheckShape, agents, 'agents')
  if (verifier?.method !== 'access_token' || `${verifier.issuers}` !== agents.issuer)
    throw new TypeError(
      `agentToken: "verifier" must be accessToken({ issuer: '${agents.issuer}', … }), and no other issuer`,
    )

  // The issuer of the token selects between several authenticators.
  const { once: _, ...rest } = verifier
  return {
    ...rest,
    method: 'agent_token',
    // The agents have an issuer of their own: no other authenticator takes their tokens, and this one takes no others.
    claims: (request) => (issuerOf(request) === agents.issuer ? 'certain' : false),

    async verify(request, context): Promise<AuthenticationResult> {
      const result = await verifier.verify(request, context)
      if (!result.ok) return result
      const principal: Principal = { ...result.principal, method: 'agent_token' }
      try {
        const status = await agents.status(principal)
        return status.ok ? { ok: true, principal } : refused(401, 'invalid_token', status.detail)
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        return { ...refused(503, 'keys_unavailable', 'store'), retryAfter: 5 }
      }
    },
  }
}

function issuerOf({ headers }: Request): unknown {
  const [, token = ''] = /^(?:Bearer|DPoP) +([^ ]+)$/i.exec(headers.get('authorization') ?? '') ?? []
  if (!token || token.length > MAX_LENGTH) return undefined
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

const refused = (status: 401 | 503, error: 'invalid_token' | 'keys_unavailable', detail: string) => ({
  ok: false as const,
  status,
  error,
  error_description: agentErrors[error],
  detail,
})
