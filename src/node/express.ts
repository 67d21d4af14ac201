import type { IncomingMessage, ServerResponse } from 'node:http'
import { SallyportError } from '../protocol/error.js'
import { mediaType } from '../protocol/http/header.js'
import { validate } from '../protocol/validate.js'
import { createServe, type Handler, handlerCheck } from './listener.js'

/** The members that Express adds to a request. Structural, so that no Express types are needed. */
interface ExpressRequest extends IncomingMessage {
  originalUrl?: string
  body?: unknown
}

/** Errors of the Node adapters, code → message. */
export const nodeErrors = {
  body_already_read:
    'A body parser has read this request before sallyport, and the body cannot be rebuilt. Mount sallyport first: app.use("/bff", toExpress(bff)) above app.use(express.json()).',
} as const

type NodeErrorCode = keyof typeof nodeErrors

/**
 * Express middleware. It works under a mount path (the handler gets the full URL) and after `express.urlencoded()`: the parsed
 * form is serialized again. If another parser has read the body, the request fails with `body_already_read`; the message says
 * how to mount the middleware. What the handler throws, or other middleware while the response is written, goes to `next(error)`.
 *
 * The handler gets every request of the mount path. Mount it on its own path: `app.use('/bff', toExpress(bff))`.
 */
export function toExpress(
  handler: Handler,
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void {
  validate('toExpress', handlerCheck, handler, 'handler')
  const serve = createServe(handler)
  return (request: ExpressRequest, response, next) => {
    // Express removes the mount path from `url`. The endpoints need the full path.
    const mounted = request.url
    request.url = request.originalUrl ?? mounted ?? '/'
    const fail = (error: unknown) => {
      request.url = mounted
      next(error)
    }
    const form = request.readableEnded || request.body !== undefined ? rebuilt(request) : undefined
    if (form instanceof SallyportError) return fail(form)
    serve(request, response, form).catch(fail)
  }
}

/** The form that a parser has read, serialized again; `undefined` if the body is unread or absent. */
function rebuilt({
  body,
  headers,
  method,
  readableEnded,
}: ExpressRequest): URLSearchParams | undefined | SallyportError<NodeErrorCode> {
  if (method === 'GET' || method === 'HEAD') return undefined
  const type = mediaType(headers['content-type'])
  const length = Number(headers['content-length'] ?? 0)
  if (!readableEnded && length > 0 && (body === undefined || isEmpty(body))) return undefined
  if (length === 0 && !headers['transfer-encoding']) return undefined
  const entries = type === 'application/x-www-form-urlencoded' && body instanceof Object ? flat(body) : undefined
  return entries ? new URLSearchParams(entries) : new SallyportError('body_already_read', nodeErrors.body_already_read)
}

const isEmpty = (body: unknown): boolean => body instanceof Object && Object.keys(body).length === 0

/** Name and value pairs; `undefined` if a parser has created nested objects. */
function flat(body: object): string[][] | undefined {
  const entries = Object.entries(body).flatMap(([name, value]) => [value].flat().map((item) => [name, item]))
  return entries.every(([, value]) => typeof value === 'string') ? (entries as string[][]) : undefined
}
