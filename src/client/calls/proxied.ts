import { clientError } from '../errors.js'
import type { RequestedToken } from '../session/renewal.js'
import type { FetchOptions } from '../types.js'
import type { CallContext } from './context.js'
import { stepUp } from './step-up.js'
import type { CallTarget } from './target.js'

/**
 * The call in proxy mode: the backend adds the access token. An entry of `apis` goes to its `route`; a path under `/api/`
 * of this origin goes to the route that it names.
 */
export async function proxied(
  url: URL,
  { url: prefix, api: { route } }: CallTarget,
  request: Request,
  stream: Blob | null,
  init: RequestInit | undefined,
  requested: RequestedToken,
  { fetch, backend, readSession, login, getToken }: CallContext,
  options: FetchOptions | undefined,
): Promise<Response> {
  const rest = url.pathname.slice(prefix.pathname.replace(/\/$/, '').length)
  if (route === undefined && (url.origin !== location.origin || !rest.startsWith('/api/')))
    throw clientError('origin_not_allowed')
  const target = `${backend}${route === undefined ? rest : `/api/${route}${rest}`}${url.search}`
  const headers = new Headers(request.headers)
  headers.set('Sallyport-CSRF', '1')
  // The backend refuses the call if another user is signed in now.
  if (requested.user) headers.set('Sallyport-User', requested.user)
  const body = stream ?? (await bodyOf(request, init, headers))
  // One by one: a Request as second argument brings its body as a stream in one browser, and no body in another.
  const { method, cache, redirect, referrer, referrerPolicy, integrity, keepalive, signal } = request
  const settings = { method, cache, redirect, referrer, referrerPolicy, integrity, keepalive, signal }
  const send = () => fetch(target, { ...settings, headers, body, credentials: 'include' })
  const response = await send()
  const stepUpResponse =
    response.status === 401 && !stream && (await stepUp(response, options, login, () => getToken(requested).then(send)))
  if (stepUpResponse) return stepUpResponse
  // The backend itself has refused, not the API: the session may be over, or another user signed in.
  if (response.status === 401 ? !response.headers.has('www-authenticate') : await isUserChanged(response)) readSession()
  return response
}

async function isUserChanged(response: Response): Promise<boolean> {
  if (response.status !== 409) return false
  const body = await response
    .clone()
    .json()
    .catch(() => undefined)
  return body?.error === 'user_changed'
}

async function bodyOf(request: Request, init: RequestInit | undefined, headers: Headers): Promise<BodyInit | null> {
  if (/^(GET|HEAD)$/.test(request.method)) return null
  try {
    return await request.blob()
  } catch (error) {
    // WebKit can send a form that has a file in it, but cannot read it.
    if (!(init?.body instanceof FormData)) throw error
    headers.delete('Content-Type')
    return init.body
  }
}
