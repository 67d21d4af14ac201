import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Guard, type GuardResult, guardCheck } from '../guard/guard.js'
import type { Requirements } from '../guard/requirements.js'
import { type RouteRequirements, requirementsFor } from '../guard/route-requirements.js'
import type { Principal } from '../protocol/principal.js'
import { check } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { type RequestHead, requestWithoutBody } from './request-without-body.js'

/** Middleware as Express and Connect know it, structurally. */
export type ExpressMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/** A hook as Fastify knows it, structurally. */
export type FastifyHook = (request: { readonly raw: RequestHead }, reply: FastifyReply) => Promise<unknown>

interface FastifyReply {
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(payload?: unknown): unknown
}

/** Enough of a request of either to say what it needs; whoever wants more names the framework's own type. */
interface WithParams {
  readonly params: Readonly<Record<string, string>>
}

export interface ExpressGuard {
  /** Middleware that lets a request through only if the caller may. By request: `({ params }) => ({ tenant: params.tenant })`. */
  <Asked = IncomingMessage & WithParams>(requirements?: RouteRequirements<Asked>): ExpressMiddleware
  /** Answers requests for the metadata document, where the guard has `metadata`; passes on all others. */
  readonly metadata: ExpressMiddleware
}

export interface FastifyGuard {
  /** An `onRequest` hook that lets a request through only if the caller may. By request: `({ params }) => ({ tenant: params.tenant })`. */
  <Asked = { readonly raw: RequestHead } & WithParams>(requirements?: RouteRequirements<Asked>): FastifyHook
  /** An `onRequest` hook: answers requests for the metadata document, where the guard has `metadata`. */
  readonly metadata: FastifyHook
}

export const headCheck = check<RequestHead | { readonly raw: RequestHead }>(
  'the request of Express or Fastify',
  (value) => typeof value === 'object' && value !== null,
)

const principals = new WeakMap<object, Principal>()

/**
 * Who calls, in a handler behind {@link toExpressGuard} or {@link toFastifyGuard}.
 *
 * @throws TypeError where no guard has let this request through
 */
export function principalOf(request: RequestHead | { readonly raw: RequestHead }): Principal {
  validate('principalOf', headCheck, request, 'request')
  // In Express `raw` is anybody's name: of a parser's bytes, for one.
  const principal = principals.get(request) ?? ('raw' in request ? principals.get(request.raw) : undefined)
  if (!principal) throw new TypeError('principalOf: no guard stands before this route')
  return principal
}

/** Judges a request by its head alone, so that body parsers may stand before or after. */
async function authenticate(
  protect: Guard,
  head: RequestHead,
  requirements: () => Requirements | Promise<Requirements>,
): Promise<GuardResult> {
  const asked = requestWithoutBody(head)
  if (!asked) return { ok: false, response: new Response(null, { status: 400 }) }
  const outcome = await protect(asked, await requirements())
  if (outcome.ok) principals.set(head, outcome.principal)
  return outcome
}

/** The answer to a request for the metadata document; `undefined` for every other request. */
function metadataOf(protect: Guard, head: RequestHead): Response | undefined {
  const asked = requestWithoutBody(head)
  return asked && protect.metadata(asked)
}

/**
 * A guard in the form of Express 4 and 5: `app.get('/notes', guard({ scopes: ['notes:read'] }), …)`, and in the handler
 * {@link principalOf}. Refusals are answered, ready as they are; what throws goes to `next(error)`.
 *
 * Read are the socket and what the client sent, mounted or not: `trust proxy` and rewritten URLs change nothing.
 */
export function toExpressGuard(protect: Guard): ExpressGuard {
  validate('toExpressGuard', guardCheck, protect, 'protect')
  const guard = <Asked>(requirements: RouteRequirements<Asked> = {}): ExpressMiddleware => {
    const requirementsOf = requirementsFor(requirements)
    return (request, response, next) => {
      const decided = authenticate(protect, request, () => requirementsOf(request as Asked))
      decided.then((outcome) => (outcome.ok ? next() : write(outcome.response, response))).catch(next)
    }
  }
  const metadata: ExpressMiddleware = (request, response, next) => {
    const document = metadataOf(protect, request)
    if (document) write(document, response).catch(next)
    else next()
  }
  return Object.assign(guard, { metadata })
}

/**
 * A guard in the form of Fastify 5: `app.get('/notes', { onRequest: guard({ scopes: ['notes:read'] }) }, …)`, and in the
 * handler {@link principalOf}. Refusals are answered, ready as they are; what throws goes to Fastify's error handler.
 *
 * Read are the socket and what the client sent: `trustProxy` and `rewriteUrl` change nothing.
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

/** As bytes: hooks before sending, Fastify’s own for HEAD among them, take no `Response`. To a text a charset would be added. */
async function answer(response: Response, reply: FastifyReply): Promise<unknown> {
  const body = Buffer.from(await response.arrayBuffer())
  reply.code(response.status)
  for (const [name, value] of response.headers) reply.header(name, value)
  return reply.send(body.length ? body : undefined)
}

/** Beside the headers that other middleware has set. */
async function write(answer: Response, outgoing: ServerResponse): Promise<void> {
  const body = await answer.text()
  outgoing.statusCode = answer.status
  for (const [name, value] of answer.headers) outgoing.setHeader(name, value)
  outgoing.end(body)
}
