import { equalInConstantTime, sha256 } from '../../crypto/hash.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { isCodeChallenge } from '../../protocol/pkce.js'
import { isRecent } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import type { BffContext } from '../context.js'
import { Refusal } from '../errors.js'
import type { CookieJar } from '../http/cookies.js'
import { type Form, parameter, requiredParameter, secondsParameter } from '../http/form.js'
import { type CookieKeys, openJson } from '../sealing/cookie-keys.js'
import type { ReplacedSession } from '../sessions/replaced-session.js'
import type { NoSession, PresentSession } from '../sessions/sessions.js'
import { type Settings, withScopes } from '../settings.js'
import { recordOf } from '../store/record-id.js'
import { requestedTarget } from './requested-token.js'

/** A running sign-in, in a sealed cookie of the browser that began it. Do not rename members: other releases read the cookie. */
export interface Transaction {
  /** Digest of `state`. */
  state: string
  nonce: string
  code_challenge: string
  redirect_uri: string
  issuer: string
  scope: string
  resource: string[]
  max_age?: number
  acr_values?: string
  at: number
  /** The session of this browser when the sign-in began: its Strict cookie is missing at the callback. */
  began?: PreviousSession
  /** In proxy mode. */
  own?: BackendFlow
}

/** A session and its user. */
interface PreviousSession {
  id: string
  iss: string
  sub: string
}

/** What a sign-in in proxy mode needs besides. The page never sees it. */
export interface BackendFlow {
  code_verifier: string
  return_to: string
  /** The session that this sign-in replaces. */
  replaces?: ReplacedSession
  /** `prompt=none`: a refusal is not an error. */
  silent?: true
}

/** Seconds in which a sign-in must be finished. */
const LIFETIME = 600
/** Seconds by which clocks may differ: a used transaction is remembered for 15 minutes at most. */
const MAX_TOLERANCE = 150
/** Running sign-ins per browser, and characters of their cookies. If there are more, the oldest are deleted. */
const MAX_PENDING = 5
const MAX_COOKIES = 4096

/** The parameters of an authorization request, besides `authorizationParams`. */
const parameters =
  'response_type client_id redirect_uri scope state nonce code_challenge code_challenge_method prompt login_hint max_age acr_values ui_locales resource authorization_details'.split(
    ' ',
  )

export const transactionParameters = ({ authorizationParams }: Settings): string[] => [
  ...parameters,
  ...authorizationParams,
]

/**
 * Validates an authorization request against the configuration. Returns the transaction and the request to send. PKCE must be S256,
 * and `redirect_uri` must be one of the configured ones.
 *
 * @throws Refusal `invalid_request`, `invalid_scope`, `invalid_target`
 * @see RFC 6749 section 4.1.1, RFC 7636 section 4.3
 */
export async function validateRequest(
  form: Form,
  settings: Settings,
): Promise<{ transaction: Transaction; request: URLSearchParams }> {
  const requireThat = (holds: boolean, description: string) => {
    if (!holds) throw new Refusal('invalid_request', { description })
  }
  requireThat(requiredParameter(form, 'response_type') === 'code', 'response_type must be code.')
  requireThat(requiredParameter(form, 'client_id') === settings.client_id, 'client_id must be the configured one.')
  const redirect_uri = requiredParameter(form, 'redirect_uri')
  requireThat(
    settings.redirect_uris.includes(redirect_uri),
    'redirect_uri is not one of the configured "redirect_uris", character for character.',
  )
  requireThat(requiredParameter(form, 'code_challenge_method') === 'S256', 'code_challenge_method must be S256.')
  const code_challenge = requiredParameter(form, 'code_challenge')
  requireThat(isCodeChallenge(code_challenge), 'code_challenge must be the base64url of 32 bytes.')
  const state = requiredParameter(form, 'state')
  const nonce = requiredParameter(form, 'nonce')
  requireThat(
    [state, nonce].every((value) => /^[\w.~-]{16,256}$/.test(value)),
    'state and nonce must be 16 to 256 unreserved characters.',
  )
  const target = requestedTarget(form, settings)
  const named = target.resource.length > 0
  const { ownScope, resources } = settings
  const defaultScope = named ? withScopes(ownScope, target.resource, resources) : settings.scope
  const scope = parameter(form, 'scope') ?? defaultScope
  requireThat(scope.split(' ').includes('openid'), 'scope must include openid.')
  const resource = named ? target.resource : [...settings.defaultResource]
  const max_age = secondsParameter(form, 'max_age')
  const acr_values = parameter(form, 'acr_values')

  const request = new URLSearchParams()
  for (const [name, values] of form) for (const value of values) request.append(name, value)
  request.set('scope', scope)
  request.delete('resource')
  for (const item of named ? resource : settings.resourcesAtSignIn) request.append('resource', item)
  return {
    request,
    transaction: {
      state: await sha256(state),
      nonce,
      code_challenge,
      redirect_uri,
      issuer: settings.issuer,
      scope,
      resource,
      ...(max_age !== undefined && { max_age }),
      ...(acr_values !== undefined && { acr_values }),
      at: settings.now(),
    },
  }
}

/** Whether the signed-in user has to authenticate again, or with a stronger method. */
export const isStepUp = ({ max_age, acr_values }: Pick<Transaction, 'max_age' | 'acr_values'>): boolean =>
  max_age !== undefined || acr_values !== undefined

/** The session in which a sign-in begins. */
export const previousSession = ({ record }: PresentSession | NoSession): { began?: PreviousSession } =>
  record ? { began: { id: record.id, iss: record.iss, sub: record.sub } } : {}

type Transactions = ReturnType<typeof createTransactions>

/** What the sign-in endpoints share. */
export interface SignInContext extends BffContext {
  transactions: Transactions
}

/** Keeps each transaction in a cookie of its browser, one for each `state`. The store remembers which were used. */
export function createTransactions(
  { now, clockTolerance, origin, loopbackCookies }: Settings,
  jar: CookieJar,
  cookieKeys: CookieKeys,
  store: RecordStore,
) {
  const tolerance = Math.min(clockTolerance, MAX_TOLERANCE)
  const noCookie =
    origin.startsWith('http:') && !loopbackCookies
      ? 'Safari keeps no Secure cookies over plain http on loopback: set "loopbackCookies" for development.'
      : 'The page and the backend must be on the same site; browsers block third-party cookies.'
  const nameOf = (stateDigest: string) => `${jar.transaction}${stateDigest.slice(0, 16)}`

  async function open(request: PlainRequest, name: string): Promise<Transaction | undefined> {
    const values = jar.values(request, name)
    const [value] = values
    if (value === undefined || values.length > 1) return undefined
    const transaction = await openJson<Transaction>(cookieKeys, 'transaction', value)
    return transaction && isRecent(transaction.at, LIFETIME, now(), tolerance) && nameOf(transaction.state) === name
      ? transaction
      : undefined
  }

  return {
    /** The cookie of a new transaction. Surplus and unreadable ones are deleted. */
    async begin(request: PlainRequest, transaction: Transaction): Promise<string[]> {
      const pending = await Promise.all(
        jar.transactions(request).map(async (name) => ({
          name,
          at: (await open(request, name))?.at ?? 0,
          size: jar.values(request, name).join('').length,
        })),
      )
      pending.sort((a, b) => b.at - a.at)
      const value = await cookieKeys.seal('transaction', JSON.stringify(transaction))
      let total = value.length
      const surplus = pending.filter(({ at, size }, position) => {
        total += size
        return at === 0 || position >= MAX_PENDING - 1 || total > MAX_COOKIES
      })
      return [...surplus.map(({ name }) => jar.expire(name)), jar.set(nameOf(transaction.state), value, LIFETIME)]
    },

    /**
     * Takes the transaction of `state`. It cannot be used again, even if the code is refused.
     *
     * @throws Refusal `invalid_grant` without its cookie, `transaction_consumed`, `state_mismatch`
     */
    async take(request: PlainRequest, state: string): Promise<{ transaction: Transaction; cookies: string[] }> {
      const digest = await sha256(state)
      const name = nameOf(digest)
      const used = recordOf('transaction', digest)
      const cookies = jar.values(request, name).length ? [jar.expire(name)] : []
      if (!cookies.length) {
        if (await store.get(used)) throw new Refusal('transaction_consumed')
        throw new Refusal('invalid_grant', {
          transaction: 'missing',
          description: `This browser did not begin the sign-in that the state belongs to, or did not send its cookie. ${noCookie}`,
        })
      }
      const transaction = await open(request, name)
      if (!transaction || !equalInConstantTime(transaction.state, digest))
        throw new Refusal((await store.get(used)) ? 'transaction_consumed' : 'state_mismatch', { cookies })
      // Of two concurrent requests, in any process, only one succeeds.
      if (!(await store.consume(used, LIFETIME + 2 * tolerance))) throw new Refusal('transaction_consumed', { cookies })
      return { transaction, cookies }
    },

    /** Cookies that delete all transactions of this browser. */
    clear: (request: PlainRequest): string[] => jar.transactions(request).map(jar.expire),
  }
}
