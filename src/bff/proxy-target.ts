import type { Asked } from '../protocol/answer.js'
import { isPlainPath } from '../protocol/target.js'
import { Refusal } from './errors.js'
import type { Route } from './routes.js'
import type { Settings } from './settings.js'

/** Where a request goes: what was matched is exactly what is sent. */
export interface Target {
  readonly name: string
  readonly route: Route
  readonly url: string
}

/** Which API a request under `/api/` is for. @throws Refusal `not_found`, `invalid_request`, `method_not_allowed` */
export function targetOf({ url: asked, method }: Asked, { basePath, routes }: Settings): Target {
  const prefix = `${basePath}/api/`
  const from = asked.indexOf(prefix)
  const [, path = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(from < 0 ? '' : asked.slice(from + prefix.length)) ?? []
  const slash = path.indexOf('/')
  const name = slash < 0 ? path : path.slice(0, slash)
  const route = routes.get(name)
  if (!route) throw new Refusal('not_found', { description: 'There is no such route.' })
  const rest = slash < 0 ? '' : path.slice(slash)
  if (rest && !isPlainPath(rest))
    throw new Refusal('invalid_request', { description: 'The path is not in its plain form.' })
  const url = (rest ? route.base + rest : route.upstream.href) + query
  // Were the parser to read anything else out of it, it would not be what was matched.
  if (!plainest.test(rest + query) && new URL(url).href !== url)
    throw new Refusal('invalid_request', { description: 'The path or the query is not in its plain form.' })
  if (!route.methods.includes(method)) throw new Refusal('method_not_allowed', { allow: route.methods })
  return { name, route, url }
}

/** What no URL parser changes. */
const plainest = /^(\/[\w-]+)*(\?[\w=&-]*)?$/
