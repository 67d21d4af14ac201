import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { isPlainPath, isUtf8 } from '../../protocol/http/request-target.js'
import { Refusal } from '../errors.js'
import type { Route } from '../routes.js'
import type { Settings } from '../settings.js'

/** Where a request goes: what was matched is exactly what is sent. */
export interface Target {
  readonly name: string
  readonly route: Route
  readonly url: string
}

/**
 * Which API a request under `/api/` is for. Path and query go there as they stand in the request's URL: order, repetitions, `+`
 * and encodings are kept. What no URL holds as it is (`"`, `<`, `>`, `'`, a space) the URL parser of whoever asked has encoded
 * before, as browsers do. Encoded bytes that are not UTF-8 are refused, in the query too.
 *
 * @throws Refusal `not_found`, `invalid_request`, `method_not_allowed`
 * @see https://url.spec.whatwg.org/#query-percent-encode-set
 */
export function targetOf({ url: requestUrl, method }: PlainRequest, { basePath, routes }: Settings): Target {
  const prefix = `${basePath}/api/`
  const start = requestUrl.indexOf(prefix)
  const [, path = '', query = ''] =
    /^([^?#]*)(\?[^#]*)?/.exec(start < 0 ? '' : requestUrl.slice(start + prefix.length)) ?? []
  const slash = path.indexOf('/')
  const name = slash < 0 ? path : path.slice(0, slash)
  const route = routes.get(name)
  if (!route) throw new Refusal('not_found', { description: 'There is no such route.' })
  const rest = slash < 0 ? '' : path.slice(slash)
  if (rest && !isPlainPath(rest))
    throw new Refusal('invalid_request', { description: 'The path is not in its plain form.' })
  if (!isUtf8(query))
    throw new Refusal('invalid_request', { description: 'The query has encoded bytes that are no UTF-8.' })
  const url = (rest ? route.base + rest : route.upstream.href) + query
  // Were the parser to read anything else out of it, it would not be what was matched.
  if (!unchangedByParser.test(rest + query) && new URL(url).href !== url)
    throw new Refusal('invalid_request', { description: 'The path or the query is not in its plain form.' })
  if (!route.methods.includes(method)) throw new Refusal('method_not_allowed', { allow: route.methods })
  return { name, route, url }
}

/** What no URL parser changes. */
const unchangedByParser = /^(\/[\w-]+)*(\?[\w=&-]*)?$/
