import { createBoundedCache } from '../protocol/bounded-cache.js'
import { isTemporary, refusesClient } from '../provider/failures/failure.js'
import type { createProvider } from '../provider/provider.js'
import type { ProviderAnswer } from '../provider/refresh-outcome.js'
import type { ProviderSettings } from '../provider/settings.js'
import { type MachineError, machineError } from './errors.js'

export interface MachineTokenOptions {
  /** @see RFC 8707 section 2 */
  resource?: string | undefined
  /** Space-separated. */
  scope?: string | undefined
}

/** A cached token is returned if it is valid for that many seconds more. */
const MIN_LIFETIME_LEFT = 30
/** A token is renewed in the background when this part of its lifetime is left. */
const RENEW_AHEAD = 0.2
/** Seconds that a token is kept even if an API refuses it: else an API that refuses all tokens would cause a token request per call. */
const MIN_CACHE_TIME = 10
/** Lifetime in seconds if the provider sends no `expires_in`. */
const DEFAULT_LIFETIME = 300
/** Different tokens in the cache, at most. The least recently used are removed first. */
const MAX_CACHED = 100

interface CachedToken {
  token: string
  /** When it was received. */
  at: number
  lifetime: number
  until: number
}

/** The state of the tokens for one resource and scope. A refusal of one combination does not affect the others. */
interface TokenState {
  held?: CachedToken
  asking?: Promise<CachedToken>
  /** No token request is sent until then. */
  pausedUntil: number
  failures: number
  /** The error that is thrown until `pausedUntil`, if the provider has refused the client or the request. */
  refusal?: MachineError
}

export type TokenCache = ReturnType<typeof createTokenCache>

/** Caches tokens by resource and scope. Concurrent calls share one token request. */
export function createTokenCache(
  provider: ReturnType<typeof createProvider<ProviderSettings>>,
  usual: MachineTokenOptions,
  now: () => number,
) {
  const states = createBoundedCache<TokenState>(MAX_CACHED)

  function stateOf(key: string): TokenState {
    const known = states.get(key)
    if (known) return known
    const state: TokenState = { pausedUntil: 0, failures: 0 }
    states.set(key, state)
    return state
  }

  async function request(state: TokenState, parameters: URLSearchParams): Promise<CachedToken> {
    const answer = await provider.clientCredentials(parameters)
    if (answer.type === 'tokens') {
      state.failures = 0
      const lifetime = answer.expires_in ?? DEFAULT_LIFETIME
      const at = now()
      state.held = { token: answer.access_token, at, lifetime, until: at + lifetime }
      return state.held
    }
    const error = errorOf(answer)
    if (error.retryable) delete state.refusal
    else state.refusal = error
    state.failures++
    const retryAfter = 'retryAfter' in answer ? answer.retryAfter : undefined
    state.pausedUntil = now() + (retryAfter ?? Math.min(30, 2 ** (state.failures - 1)))
    throw error
  }

  function ask(
    state: TokenState,
    { resource = usual.resource, scope = usual.scope }: MachineTokenOptions,
  ): Promise<CachedToken> {
    const parameters = new URLSearchParams()
    if (scope) parameters.set('scope', scope)
    if (resource) parameters.set('resource', resource)
    state.asking ??= request(state, parameters).finally(() => {
      delete state.asking
    })
    return state.asking
  }

  return {
    /** `refused`: a token that an API has refused. */
    async get(requested: MachineTokenOptions, refused?: string): Promise<string> {
      const state = stateOf(JSON.stringify([requested.resource ?? usual.resource, requested.scope ?? usual.scope]))
      const { held } = state
      const left = held ? held.until - now() : 0
      const refusedByApi = held?.token === refused && held !== undefined && now() - held.at >= MIN_CACHE_TIME
      const good = held && !refusedByApi && left > 0 ? held : undefined
      const paused = now() < state.pausedUntil
      if (good && left >= Math.min(MIN_LIFETIME_LEFT, good.lifetime / 2)) {
        // Renewed in the background while the token is still valid. Failures are ignored.
        if (left < good.lifetime * RENEW_AHEAD && !paused) ask(state, requested).catch(() => {})
        return good.token
      }
      if (paused) {
        if (good) return good.token
        throw state.refusal ?? machineError('token_unavailable')
      }
      return ask(state, requested).then(
        ({ token }) => token,
        (error) => {
          if (good && error.retryable && good.until > now()) return good.token
          throw error
        },
      )
    },
  }
}

/** Maps the provider's response to an error. `cause` has what is wrong. */
function errorOf(answer: Exclude<ProviderAnswer, { type: 'tokens' }>): MachineError {
  if (!('detail' in answer) || isTemporary(answer)) return machineError('token_unavailable', answer)
  if (answer.type !== 'error') return machineError('operator_error', answer)
  const { status, error, detail } = answer
  const code = refusesClient(answer) ? 'client_refused' : error === undefined ? 'operator_error' : 'request_refused'
  return machineError(code, { status, error, detail })
}
