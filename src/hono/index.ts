import type { Context, MiddlewareHandler } from 'hono'
import { type Guard, guardCheck } from '../guard/guard.js'
import { type RouteRequirements, requirementsFor } from '../guard/route-requirements.js'
import { peerOf, peerOfSocket, type SocketOfNode, withPeer } from '../protocol/http/peer.js'
import type { Principal } from '../protocol/principal.js'
import { validate } from '../protocol/validate.js'

/** What a guard leaves for the handlers behind it: `context.var.principal`. */
export interface GuardEnv {
  Variables: { principal: Principal }
}

export interface HonoGuard {
  /** Middleware that lets a request through only if the caller may. `requirements` by request too: `(context) => ({ tenant: … })`. */
  (requirements?: RouteRequirements<Context>): MiddlewareHandler<GuardEnv>
  /** Answers requests for the metadata document, where the guard has `metadata`; passes on all others. */
  readonly metadata: MiddlewareHandler
}

/**
 * A guard in the form of Hono: `app.get('/notes', guard({ scopes: ['notes:read'] }), …)`, and in the handler
 * `context.var.principal`. Refusals are answered, ready as they are; what throws goes to `app.onError`.
 *
 * The peer of the connection is known where Node serves the app (`serve(app)`, or `toNodeListener(app)`). In other runtimes
 * tie it before (`withPeer(context.req.raw, …)`): rules that need it refuse.
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

/** With what other middleware has set by `context.header()`, which a `Response` of one's own would leave out. */
const withContextHeaders = (context: Context, answer: Response): Response => context.newResponse(answer.body, answer)

/** `@hono/node-server` hands on what a `Request` cannot say. */
function withSocketPeer({ req: { raw }, env }: Context): Request {
  const { socket } = (env as { incoming?: { socket?: SocketOfNode } } | undefined)?.incoming ?? {}
  return socket && !peerOf(raw) ? withPeer(raw, () => peerOfSocket(socket)) : raw
}
