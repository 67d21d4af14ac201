import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { isPlainPath, isUtf8 } from '../../protocol/http/request-target.js'
import { Refusal } from '../errors.js'
import type { Route } from '../routes.js'
import type { Settings } from '../settings.js'

/** The route and the URL of a request. */
export interface Target {
  readonly name: string
  readonly route: Route
  readonly url: string
}

/**
 * The route and the URL for a request under `/api/`. Path and query are forwarded unchanged: order, repetitions, `+` and
 * encodings are kept. Clients have encoded characters that a URL cannot contain (`"`, `<`, `>`, `'`, a space). Encoded bytes that
 * are not UTF-8 are refused, in the query as well.
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
  if (!route) throw new Refusal('not_found', { description: 'Unknown route.' })
  const rest = slash < 0 ? '' : path.slice(slash)
  if (rest && !isPlainPath(rest)) throw new Refusal('invalid_request', { description: 'The path is not normalized.' })
  if (!isUtf8(query))
    throw new Refusal('invalid_request', { description: 'The query has encoded bytes that are not UTF-8.' })
  const url = (rest ? route.base + rest : route.upstream.href) + query
  // If the URL parser changes the URL, the API could see another path than the one that was matched.
  if (!unchangedByParser.test(rest + query) && new URL(url).href !== url)
    throw new Refusal('invalid_request', { description: 'The path or the query is not normalized.' })
  if (!route.methods.includes(method)) throw new Refusal('method_not_allowed', { allow: route.methods })
  return { name, route, url }
}

/** Paths and queries that the URL parser does not change. */
const unchangedByParser = /^(\/[\w-]+)*(\?[\w=&-]*)?$/
