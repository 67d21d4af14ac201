import { decodeJwt } from 'jose'
import type { AuthenticationResult, Authenticator, Principal } from '../../protocol/principal.js'
import { withMethods } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { StoreError } from '../../store/contract.js'
import { agentErrors } from '../errors.js'
import type { StatusCheck } from './status.js'

export const statusCheckShape = withMethods<StatusCheck>('createAgents(…) or createStatusCheck(…)', 'status')

/** Characters. Nothing longer is looked into. */
const LONGEST = 16_384

/**
 * Accepts agents' tokens: `agentToken(agents, accessToken({ issuer: tokens.issuer, algs: tokens.algs, keys: tokens.keys }))`. The guard's
 * `accessToken` verifies them like any other, with their bindings; then the agent's status is asked for, every time.
 *
 * Who is accepted has `method: 'agent_token'`, so a route with `methods` is closed to agents unless it names them. `client_id` is the
 * agent that calls, `sub` whom it acts for; `claims.act` has the chain. Nothing that a request says besides its token, in
 * headers or elsewhere, has a part in that.
 *
 * A refused token of any kind is 401 `invalid_token`, one body: expired, decommissioned, stopped, withdrawn. A store that cannot be
 * asked is 503.
 *
 * @param agents `createAgents(…)`, or `createStatusCheck(…)` where no tokens are issued
 * @throws TypeError when `verifier` is not for the agents' issuer, and that alone
 */
export function agentToken(agents: StatusCheck, verifier: Authenticator): Authenticator {
  validate('agentToken', statusCheckShape, agents, 'agents')
  if (verifier?.method !== 'access_token' || `${verifier.issuers}` !== agents.issuer)
    throw new TypeError(
      `agentToken: "verifier" must be accessToken({ issuer: '${agents.issuer}', … }), and no other issuer`,
    )

  // Which of several is meant, the token's issuer says.
  const { once: _, ...rest } = verifier
  return {
    ...rest,
    method: 'agent_token',
    // By what the token says of its issuer, which is the agents' own: so nobody else judges it, and nothing else is judged here.
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
  if (!token || token.length > LONGEST) return undefined
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
