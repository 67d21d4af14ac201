import type { Context, MiddlewareHandler } from 'hono'
import { type Guard, guardCheck } from '../guard/guard.js'
import { type RouteRequirements, requirementsFor } from '../guard/route-requirements.js'
import { peerOf, peerOfSocket, type SocketOfNode, withPeer } from '../protocol/http/peer.js'
import type { Principal } from '../protocol/principal.js'
import { validate } from '../protocol/validate.js'

/** The variables that a guard sets for later handlers: `context.var.principal`. */
export interface GuardEnv {
  Variables: { principal: Principal }
}

export interface HonoGuard {
  /** Middleware that passes on requests of authorized callers only. `requirements` can be a function: `(context) => ({ tenant: … })`. */
  (requirements?: RouteRequirements<Context>): MiddlewareHandler<GuardEnv>
  /** Responds to requests for the metadata document, if the guard has `metadata`. Passes on all other requests. */
  readonly metadata: MiddlewareHandler
}

/**
 * A guard as Hono middleware: `app.get('/notes', guard({ scopes: ['notes:read'] }), …)`. Handlers use `context.var.principal`.
 * Refused requests get the response of the guard. Errors go to `app.onError`.
 *
 * In Node (`serve(app)` or `toNodeListener(app)`) the guard knows the peer of the connection. In other runtimes, call
 * `withPeer(context.req.raw, …)` before; without a peer, checks that need it fail.
 */
export function toHonoGuard(protect: Guard): HonoGuard {
  validate('toHonoGuard', guardCheck, protect, 'protect')
  const guard = (requirements: RouteRequirements<Context> = {}): MiddlewareHandler<GuardEnv> => {
    const requirementsOf = requirementsFor(requirements)
    return async (context, next) => {
      const outcome = await protect(withSocketPeer(context), await requirementsOf(context))
      if (!outcome.ok) return withContextHeaders(context, outcome.response)
      context.set('principal', outcome.principal)
      return next()
    }
  }
  const metadata: MiddlewareHandler = async (context, next) => {
    const document = protect.metadata(context.req.raw)
    return document ? withContextHeaders(context, document) : next()
  }
  return Object.assign(guard, { metadata })
}

/** Adds the headers that other middleware has set with `context.header()`. */
const withContextHeaders = (context: Context, answer: Response): Response => context.newResponse(answer.body, answer)

/** The peer of the socket, which `@hono/node-server` puts into `env`. */
function withSocketPeer({ req: { raw }, env }: Context): Request {
  const { socket } = (env as { incoming?: { socket?: SocketOfNode } } | undefined)?.incoming ?? {}
  return socket && !peerOf(raw) ? withPeer(raw, () => peerOfSocket(socket)) : raw
}
