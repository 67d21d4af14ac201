import { RegExpRouter } from 'hono/router/reg-exp-router'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { StoreError } from '../../store/contract.js'
import { Refusal, type RefusalDetails, storeDown } from '../errors.js'
import { refusalOf, refusedEvent } from '../provider-refusals.js'
import type { RateLimiting } from '../rate-limits/rate-limits.js'
import type { Settings } from '../settings.js'
import { refusalAnswer } from './answers.js'
import { allowOrigin, answerPreflight, isOwnStream, requireNavigation, requireOwnPage } from './csrf.js'
import type { Endpoint } from './endpoint.js'
import { refusalPage } from './error-page.js'
import { unknownEndpoint } from './unknown-endpoint.js'

/**
 * Routes a request to its endpoint, after the CSRF checks and rate limits, and turns errors into responses. HEAD is not answered
 * like GET, because a GET may change state.
 */
export function createRouter(
  endpoints: readonly Endpoint[],
  { settings, limits }: { settings: Settings; limits: RateLimiting },
): (request: PlainRequest) => Promise<PlainResponse> {
  const { basePath, emit } = settings
  const pages = new Set(endpoints.flatMap(({ path, refusal }) => (refusal ? [basePath + path] : [])))

  async function run(endpoint: Endpoint, request: PlainRequest): Promise<PlainResponse> {
    if (!endpoint.exempt || (endpoint.exempt === 'stream' && !isOwnStream(request, settings)))
      requireOwnPage(request, settings)
    if (endpoint.exempt === 'navigation') requireNavigation(request)
    if (endpoint.limited) await limits.countAddress(request)
    return allowOrigin(request, await endpoint.answer(request), settings)
  }

  /** For a known path with another method: 405, or a CORS preflight. @throws Refusal */
  async function answerOtherMethod(request: PlainRequest, allowed: readonly string[]): Promise<PlainResponse> {
    if (request.method === 'OPTIONS') return answerPreflight(request, settings)
    throw new Refusal('method_not_allowed', { allow: allowed })
  }

  function refused(error: unknown, request: PlainRequest, path: string, endpoint: string): PlainResponse {
    const refusal = refusalOf(error) ?? new Refusal('temporarily_unavailable', outageDetails(error, endpoint))
    // The client has disconnected: nothing was refused.
    if ((error as Error).name === 'AbortError') return refusalAnswer(refusal)
    emit(refusedEvent(refusal, request, path))
    // A script that calls /login gets JSON. Only browsers call /callback.
    const page = pages.has(path) && (path.startsWith(`${basePath}/callback`) || refusal.code !== 'csrf_required')
    return allowOrigin(request, page ? refusalPage(refusal, settings) : refusalAnswer(refusal), settings)
  }

  /** Details for an unexpected error: the store is down, or there is a bug. */
  function outageDetails(error: unknown, endpoint: string): RefusalDetails {
    if (error instanceof StoreError) {
      // `watchStore()` has emitted events for other store errors.
      if (error.code === 'store_format_unknown') emit({ type: 'operator_error', detail: error.message })
      return { description: storeDown }
    }
    const { name } = error as Error
    if (name !== 'AbortError') emit({ type: 'operator_error', detail: `${name} in ${endpoint}` })
    return {}
  }

  const router = new RegExpRouter<Route>()
  for (const endpoint of endpoints)
    router.add(endpoint.method, basePath + endpoint.path, {
      endpoint: basePath + endpoint.path,
      answer: async (request) =>
        request.method === 'OPTIONS' ? answerPreflight(request, settings) : run(endpoint, request),
    })
  for (const path of new Set(endpoints.map((endpoint) => endpoint.path))) {
    const allowed = endpoints.flatMap((endpoint) => (endpoint.path === path ? [endpoint.method] : []))
    router.add('ALL', basePath + path, {
      endpoint: basePath + path,
      answer: (request) => answerOtherMethod(request, allowed),
    })
  }

  return async (request) => {
    const path = pathOf(request.url)
    let route: Route | undefined
    try {
      route = router.match(request.method, path)[0][0]?.[0]
      if (!route) throw new Refusal('not_found', { description: unknownEndpoint(path, settings) })
      return await route.answer(request)
    } catch (error) {
      // Not the path of the request, in which anything may stand.
      return refused(error, request, path, route?.endpoint ?? basePath)
    }
  }
}

interface Route {
  /** Its path, as in the table of endpoints. */
  endpoint: string
  answer(request: PlainRequest): Promise<PlainResponse>
}

/** The path of a URL, without normalizing it. */
function pathOf(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2)
  const to = url.slice(from).search(/[?#]/)
  return to < 0 ? url.slice(from) : url.slice(from, from + to)
}
