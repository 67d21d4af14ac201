import { createBoundedCache } from '../protocol/bounded-cache.js'
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

/** Seconds that a token must still be good for to be handed out. */
const MIN_LIFETIME_LEFT = 30
/** The part of a token's life that is left when another one is asked for ahead. */
const RENEW_AHEAD = 0.2
/** Seconds that a token is kept whatever an API says of it: one that refuses them all would cost a token for each call. */
const MIN_CACHE_TIME = 10
/** Seconds that a token is taken to be good for where the provider does not say. */
const DEFAULT_LIFETIME = 300
/** Different tokens at most; the longest unused make room. */
const MAX_CACHED = 100

interface CachedToken {
  token: string
  /** When it came. */
  at: number
  lifetime: number
  until: number
}

/** How it stands with one kind of token: what the provider says to one stops none of the others. */
interface TokenState {
  held?: CachedToken
  asking?: Promise<CachedToken>
  /** Epoch seconds: the provider is left alone until then. */
  quietUntil: number
  failures: number
  /** What the provider said of this client or of what was asked for, while it is left alone. */
  refusal?: MachineError
}

export type TokenCache = ReturnType<typeof createTokenCache>

/** Keeps tokens by what they are for, and asks for each once, however many want it. */
export function createTokenCache(
  provider: ReturnType<typeof createProvider<ProviderSettings>>,
  usual: MachineTokenOptions,
  now: () => number,
) {
  const states = createBoundedCache<TokenState>(MAX_CACHED)

  function shelfOf(key: string): TokenState {
    const known = states.get(key)
    if (known) return known
    const state: TokenState = { quietUntil: 0, failures: 0 }
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
    state.quietUntil = now() + (retryAfter ?? Math.min(30, 2 ** (state.failures - 1)))
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
    /** `refused`: a token that an API did not take. */
    async get(wanted: MachineTokenOptions, refused?: string): Promise<string> {
      const state = shelfOf(JSON.stringify([wanted.resource ?? usual.resource, wanted.scope ?? usual.scope]))
      const { held } = state
      const left = held ? held.until - now() : 0
      const spoilt = held?.token === refused && held !== undefined && now() - held.at >= MIN_CACHE_TIME
      const good = held && !spoilt && left > 0 ? held : undefined
      const quiet = now() < state.quietUntil
      if (good && left >= Math.min(MIN_LIFETIME_LEFT, good.lifetime / 2)) {
        // Ahead of its end, while it still serves: nobody waits, and nobody hears of a failure.
        if (left < good.lifetime * RENEW_AHEAD && !quiet) ask(state, wanted).catch(() => {})
        return good.token
      }
      if (quiet) {
        if (good) return good.token
        throw state.refusal ?? machineError('token_unavailable', { retryable: true })
      }
      return ask(state, wanted).then(
        ({ token }) => token,
        (error) => {
          if (good && error.retryable && good.until > now()) return good.token
          throw error
        },
      )
    },
  }
}

/** A 401 is about the client, in whatever words. */
function errorOf(answer: Exclude<ProviderAnswer, { type: 'tokens' }>): MachineError {
  if (
    answer.type !== 'error' ||
    (!answer.json && answer.status !== 401) ||
    answer.status === 429 ||
    answer.status >= 500
  )
    return machineError('token_unavailable', { retryable: true, cause: answer })
  const { status, error } = answer
  const client = status === 401 || error === 'invalid_client' || error === 'unauthorized_client'
  return machineError(client ? 'client_refused' : 'request_refused', { cause: { status, error } })
}
