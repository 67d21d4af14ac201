import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Guard, type GuardResult, guardCheck } from '../guard/guard.js'
import type { Requirements } from '../guard/requirements.js'
import { type RouteRequirements, requirementsFor } from '../guard/route-requirements.js'
import type { Principal } from '../protocol/principal.js'
import { check } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { type RequestHead, requestWithoutBody } from './request-without-body.js'
import { plainResponseOf, write } from './write.js'

/** Middleware of Express and Connect, as a structural type. */
export type ExpressMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/** A hook of Fastify, as a structural type. */
export type FastifyHook = (request: { readonly raw: RequestHead }, reply: FastifyReply) => Promise<unknown>

interface FastifyReply {
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(payload?: unknown): unknown
}

/** The default request type of `requirements` functions. For more, pass the framework's own type. */
interface WithParams {
  readonly params: Readonly<Record<string, string>>
}

export interface ExpressGuard {
  /** Middleware that passes on requests of authorized callers only. `requirements` can be a function: `({ params }) => ({ tenant: params.tenant })`. */
  <Asked = IncomingMessage & WithParams>(requirements?: RouteRequirements<Asked>): ExpressMiddleware
  /** Responds to requests for the metadata document, if the guard has `metadata`. Passes on all other requests. */
  readonly metadata: ExpressMiddleware
}

export interface FastifyGuard {
  /** An `onRequest` hook that passes on requests of authorized callers only. `requirements` can be a function: `({ params }) => ({ tenant: params.tenant })`. */
  <Asked = { readonly raw: RequestHead } & WithParams>(requirements?: RouteRequirements<Asked>): FastifyHook
  /** An `onRequest` hook that responds to requests for the metadata document, if the guard has `metadata`. */
  readonly metadata: FastifyHook
}

export const headCheck = check<RequestHead | { readonly raw: RequestHead }>(
  'the request of Express or Fastify',
  (value) => typeof value === 'object' && value !== null,
)

const principals = new WeakMap<object, Principal>()

/**
 * The principal of a request, in a handler behind {@link toExpressGuard} or {@link toFastifyGuard}.
 *
 * @throws TypeError if no guard has accepted this request
 */
export function principalOf(request: RequestHead | { readonly raw: RequestHead }): Principal {
  validate('principalOf', headCheck, request, 'request')
  // In Express, `raw` can be anything, such as the raw body that a parser has stored.
  const principal = principals.get(request) ?? ('raw' in request ? principals.get(request.raw) : undefined)
  if (!principal) throw new TypeError('principalOf: this route has no guard')
  return principal
}

/** Authenticates a request without its body, so that body parsers can run before or after. */
async function authenticate(
  protect: Guard,
  head: RequestHead,
  requirements: () => Requirements | Promise<Requirements>,
): Promise<GuardResult> {
  const request = requestWithoutBody(head)
  if (!request) return { ok: false, response: new Response(null, { status: 400 }) }
  const outcome = await protect(request, await requirements())
  if (outcome.ok) principals.set(head, outcome.principal)
  return outcome
}

/** The response to a request for the metadata document; `undefined` for every other request. */
function metadataOf(protect: Guard, head: RequestHead): Response | undefined {
  const request = requestWithoutBody(head)
  return request && protect.metadata(request)
}

/**
 * A guard as middleware of Express 4 and 5: `app.get('/notes', guard({ scopes: ['notes:read'] }), …)`. Handlers use
 * {@link principalOf}. Refused requests get the response of the guard. Errors go to `next(error)`.
 *
 * The guard reads the socket and the original request: mount paths, `trust proxy` and rewritten URLs have no effect.
 */
export function toExpressGuard(protect: Guard): ExpressGuard {
  validate('toExpressGuard', guardCheck, protect, 'protect')
  const guard = <Asked>(requirements: RouteRequirements<Asked> = {}): ExpressMiddleware => {
    const requirementsOf = requirementsFor(requirements)
    return (request, response, next) => {
      const decided = authenticate(protect, request, () => requirementsOf(request as Asked))
      decided.then((outcome) => (outcome.ok ? next() : send(outcome.response, response))).catch(next)
    }
  }
  const metadata: ExpressMiddleware = (request, response, next) => {
    const document = metadataOf(protect, request)
    if (document) send(document, response).catch(next)
    else next()
  }
  return Object.assign(guard, { metadata })
}

/**
 * A guard as hook of Fastify 5: `app.get('/notes', { onRequest: guard({ scopes: ['notes:read'] }) }, …)`. Handlers use
 * {@link principalOf}. Refused requests get the response of the guard. Errors go to Fastify's error handler.
 *
 * The guard reads the socket and the original request: `trustProxy` and `rewriteUrl` have no effect.
 */
export function toFastifyGuard(protect: Guard): FastifyGuard {
  validate('toFastifyGuard', guardCheck, protect, 'protect')
  const guard = <Asked>(requirements: RouteRequirements<Asked> = {}): FastifyHook => {
    const requirementsOf = requirementsFor(requirements)
    return async (request, reply) => {
      const outcome = await authenticate(protect, request.raw, () => requirementsOf(request as Asked))
      return outcome.ok ? undefined : answer(outcome.response, reply)
    }
  }
  const metadata: FastifyHook = async ({ raw }, reply) => {
    const document = metadataOf(protect, raw)
    return document && answer(document, reply)
  }
  return Object.assign(guard, { metadata })
}

/** Sent as bytes: `onSend` hooks, such as Fastify’s own for HEAD, do not support a `Response`, and Fastify adds a charset to texts. */
async function answer(response: Response, reply: FastifyReply): Promise<unknown> {
  const body = Buffer.from(await response.arrayBuffer())
  reply.code(response.status)
  for (const [name, value] of response.headers) reply.header(name, value)
  return reply.send(body.length ? body : undefined)
}

/** Keeps the headers that other middleware has set. */
const send = async (answer: Response, outgoing: ServerResponse): Promise<void> =>
  write(await plainResponseOf(answer), outgoing)
