import type { Aim } from './aim.js'
import { clientError } from './errors.js'
import type { FetchPorts } from './fetch-ports.js'
import { stepUp } from './step-up.js'
import type { FetchOptions } from './types.js'

/**
 * The same call in proxy mode: no token is here, the backend attaches one. An entry of `apis` goes to its `route`, a path
 * under `/api/` of this origin to the route that it names.
 */
export async function proxied(
  url: URL,
  { url: prefix, api: { route } }: Aim,
  request: Request | undefined,
  init: RequestInit | undefined,
  { fetch, backend, look, login }: FetchPorts,
  options: FetchOptions | undefined,
): Promise<Response> {
  const rest = url.pathname.slice(prefix.pathname.replace(/\/$/, '').length)
  if (route === undefined && (url.origin !== location.origin || !rest.startsWith('/api/')))
    throw clientError('origin_not_allowed')
  const target = `${backend}${route === undefined ? rest : `/api/${route}${rest}`}${url.search}`
  const headers = new Headers(init?.headers ?? request?.headers)
  headers.set('Sallyport-CSRF', '1')
  const what = request ? new Request(target, request) : target
  const copy = () => (what instanceof Request ? what.clone() : what)
  const send = (what: Request | string) => fetch(what, { ...init, headers, credentials: 'include' })
  const response = await send(copy())
  const replayable = response.status === 401 && !(init?.body instanceof ReadableStream)
  const stepped = replayable && (await stepUp(response, options, login, () => send(what)))
  if (stepped) return stepped
  // The backend's own refusal, not the API's: perhaps nobody is signed in any more.
  if (response.status === 401 && !response.headers.has('www-authenticate')) look()
  return response
}
