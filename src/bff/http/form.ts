import { mediaType } from '../../protocol/http/header.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { clientDisconnected } from '../../protocol/http/upstream.js'
import { Refusal } from '../errors.js'

/** Bytes. */
const MAX_BYTES = 16_384

/** The parameters of a form. Only `resource` may have several values. */
export type Form = Map<string, string[]>

/** What happens to parameters that an endpoint does not know: `keep` drops those that are repeated. */
type Others = 'refuse' | 'ignore' | 'keep'

/**
 * Reads a form of at most 16 KiB.
 *
 * @throws Refusal `unsupported_media_type`, `request_too_large`, `invalid_request`
 */
export async function readForm(
  request: PlainRequest,
  known: readonly string[],
  others: Others = 'refuse',
): Promise<Form> {
  return parseForm(await readFormText(request), known, others)
}

/**
 * Every value of one parameter. Other parameters are ignored: they must not prevent a sign-out.
 *
 * @throws Refusal `unsupported_media_type`, `request_too_large`
 */
export async function readParameter(request: PlainRequest, name: string): Promise<string[]> {
  return new URLSearchParams(await readFormText(request)).getAll(name)
}

async function readFormText(request: PlainRequest): Promise<string> {
  const text = await readText(request)
  if (text && mediaType(request.headers.get('content-type')) !== 'application/x-www-form-urlencoded')
    throw new Refusal('unsupported_media_type')
  return text
}

/** The parameters of a request's query. @throws Refusal `invalid_request` */
export const readQuery = (request: PlainRequest, known: readonly string[], others: Others): Form =>
  parseForm(new URL(request.url).search, known, others)

/** Known parameters that are repeated are refused. An empty value is the same as none (RFC 6749 section 3.1). */
function parseForm(text: string, known: readonly string[], others: Others): Form {
  const form: Form = new Map()
  for (const [name, value] of new URLSearchParams(text)) {
    const isKnown = known.includes(name)
    if (!isKnown && others === 'refuse')
      throw new Refusal('invalid_request', { description: 'A parameter is unknown.' })
    if (!value || (!isKnown && others === 'ignore')) continue
    const values = form.get(name) ?? []
    if (isKnown && values.length && name !== 'resource')
      throw new Refusal('invalid_request', { description: `The parameter ${name} is repeated.` })
    form.set(name, [...values, value])
  }
  for (const [name, values] of form) if (!known.includes(name) && values.length > 1) form.delete(name)
  return form
}

/**
 * A body with `Content-Length` is read at once: servers deliver no more than that (RFC 9112 section 6.3). Any other body is read
 * as a stream, so that reading can stop at the limit.
 */
async function readText(request: PlainRequest): Promise<string> {
  const tooLarge = () => new Refusal('request_too_large')
  const contentLength = request.headers.get('content-length')
  if (contentLength === '0') return ''
  if (Number(contentLength) > MAX_BYTES) throw tooLarge()
  const onDisconnect = () => {
    throw clientDisconnected()
  }
  if (contentLength !== null) {
    const bytes = await request.arrayBuffer().catch(onDisconnect)
    if (bytes.byteLength > MAX_BYTES) throw tooLarge()
    return new TextDecoder().decode(bytes)
  }
  if (!request.body) return ''
  const decoder = new TextDecoder()
  const reader = request.body.getReader()
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await reader.read().catch(onDisconnect)
    if (done) return text + decoder.decode()
    length += value.length
    if (length > MAX_BYTES) {
      // Not awaited: the sender may react slowly.
      reader.cancel().catch(() => {})
      throw tooLarge()
    }
    text += decoder.decode(value, { stream: true })
  }
}

export const parameter = (form: Form, name: string): string | undefined => form.get(name)?.[0]

/** @throws Refusal `invalid_request` naming the parameter */
export function requiredParameter(form: Form, name: string): string {
  const value = parameter(form, name)
  if (value === undefined) throw new Refusal('invalid_request', { description: `The parameter ${name} is missing.` })
  return value
}

/** A number of seconds. @throws Refusal `invalid_request` naming the parameter */
export function secondsParameter(form: Form, name: string): number | undefined {
  const value = parameter(form, name)
  if (value === undefined) return undefined
  if (!/^\d{1,9}(\.\d+)?$/.test(value))
    throw new Refusal('invalid_request', { description: `${name} must be a number of seconds.` })
  return Number(value)
}
