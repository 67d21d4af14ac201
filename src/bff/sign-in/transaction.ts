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
import type { Settings } from '../settings.js'
import { recordOf } from '../store/record-id.js'
import { requestedTarget } from './requested-token.js'

/** What a sign-in was begun with, bound to this browser by a sealed cookie. */
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
  /** The session that this browser had when it began: its cookies are withheld on the way back to the backend. */
  began?: PreviousSession
  /** Of a sign-in that the backend itself began. */
  own?: BackendFlow
}

/** A session, and whose it is. */
export interface PreviousSession {
  id: string
  iss: string
  sub: string
}

/** What a sign-in of the backend's own has beside: nothing of it ever reaches the page. */
export interface BackendFlow {
  code_verifier: string
  return_to: string
  /** The session that its completion ends: the same, or of a browser that another site has sent here. */
  replaces?: ReplacedSession
  /** `prompt=none`: a refusal is no error. */
  silent?: true
}

/** Seconds in which a sign-in is to be finished. */
const LIFETIME = 600
/** Seconds by which clocks may differ here at most: what is kept of a transaction that is spent lasts 15 minutes, not longer. */
const MAX_TOLERANCE = 150
/** Sign-ins under way at most per browser, and characters of their cookies; the oldest make room. */
const MAX_PENDING = 5
const MAX_COOKIES = 4096

/** The closed list of what a page's authorization request may say, besides `authorizationParams`. */
const parameters =
  'response_type client_id redirect_uri scope state nonce code_challenge code_challenge_method prompt login_hint max_age acr_values ui_locales resource authorization_details'.split(
    ' ',
  )

export const transactionParameters = ({ authorizationParams }: Settings): string[] => [
  ...parameters,
  ...authorizationParams,
]

/**
 * Checks an authorization request that a page has made, against what is configured, and returns what is to be bound
 * and what is to be sent. Only S256; `redirect_uri` exactly one that is configured.
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
  requireThat(requiredParameter(form, 'response_type') === 'code', 'response_type is code.')
  requireThat(requiredParameter(form, 'client_id') === settings.client_id, 'client_id is not the configured one.')
  const redirect_uri = requiredParameter(form, 'redirect_uri')
  requireThat(
    settings.redirect_uris.includes(redirect_uri),
    'redirect_uri is not one of the configured "redirect_uris", character for character.',
  )
  requireThat(requiredParameter(form, 'code_challenge_method') === 'S256', 'code_challenge_method is S256.')
  const code_challenge = requiredParameter(form, 'code_challenge')
  requireThat(isCodeChallenge(code_challenge), 'code_challenge is the base64url of 32 bytes.')
  const state = requiredParameter(form, 'state')
  const nonce = requiredParameter(form, 'nonce')
  requireThat(
    [state, nonce].every((value) => /^[\w.~-]{16,256}$/.test(value)),
    'state and nonce are 16 to 256 unreserved characters.',
  )
  const target = requestedTarget(form, settings)
  const scope = parameter(form, 'scope') ?? settings.scope
  requireThat(scope.split(' ').includes('openid'), 'scope includes openid.')
  const resource = target.resource.length ? target.resource : [...settings.defaultResource]
  const max_age = secondsParameter(form, 'max_age')
  const acr_values = parameter(form, 'acr_values')

  const request = new URLSearchParams()
  for (const [name, values] of form) for (const value of values) request.append(name, value)
  request.set('scope', scope)
  request.delete('resource')
  for (const item of resource) request.append('resource', item)
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

/** Whether it is whoever is signed in that is asked to sign in once more: more strongly, or anew. */
export const isStepUp = ({ max_age, acr_values }: Pick<Transaction, 'max_age' | 'acr_values'>): boolean =>
  max_age !== undefined || acr_values !== undefined

/** Who is signed in where a sign-in begins. */
export const previousSession = ({ record }: PresentSession | NoSession): { began?: PreviousSession } =>
  record ? { began: { id: record.id, iss: record.iss, sub: record.sub } } : {}

export type Transactions = ReturnType<typeof createTransactions>

/** What the endpoints of sign-in work with. */
export interface SignInContext extends BffContext {
  transactions: Transactions
}

/** Keeps transactions in cookies of the browser that began them, one per `state`; the store knows which are spent. */
export function createTransactions(
  { now, clockTolerance }: Settings,
  jar: CookieJar,
  cookieKeys: CookieKeys,
  store: RecordStore,
) {
  const tolerance = Math.min(clockTolerance, MAX_TOLERANCE)
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
    /** The cookie of a new transaction; the oldest of too many, and those that cannot be read, are expired with it. */
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
     * Takes the transaction that `state` belongs to. From here on it is spent, whatever becomes of the code.
     *
     * @throws Refusal `invalid_grant` without its cookie, `transaction_consumed`, `state_mismatch`
     */
    async take(request: PlainRequest, state: string): Promise<{ transaction: Transaction; cookies: string[] }> {
      const digest = await sha256(state)
      const name = nameOf(digest)
      const spent = recordOf('transaction', digest)
      const cookies = jar.values(request, name).length ? [jar.expire(name)] : []
      if (!cookies.length) {
        if (await store.get(spent)) throw new Refusal('transaction_consumed')
        throw new Refusal('invalid_grant', {
          transaction: 'missing',
          description: 'This browser did not begin the sign-in that the state belongs to.',
        })
      }
      const transaction = await open(request, name)
      if (!transaction || !equalInConstantTime(transaction.state, digest))
        throw new Refusal((await store.get(spent)) ? 'transaction_consumed' : 'state_mismatch', { cookies })
      // Of two that come together, to whichever process, one is the second.
      if (!(await store.consume(spent, LIFETIME + 2 * tolerance)))
        throw new Refusal('transaction_consumed', { cookies })
      return { transaction, cookies }
    },

    /** Cookies that clear whatever sign-ins are under way. */
    clear: (request: PlainRequest): string[] => jar.transactions(request).map(jar.expire),
  }
}
