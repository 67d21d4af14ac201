import { isTemporaryStatus } from '../provider/failures/failure.js'
import type { BffEvent } from './events.js'

/** A line for the console. `subject`: of one subject, at most one line is printed in a minute. */
interface OperatorLine {
  readonly subject: string
  readonly text: string
}

/** What has happened, and what to do about it. */
interface Message {
  /** At the provider, or the route. */
  readonly at?: string | undefined
  readonly what: string
  readonly remedy: string
}

type EventOf<Type extends BffEvent['type']> = Extract<BffEvent, { type: Type }>

/** One entry for each event, so that nobody forgets to decide about a new one. */
type Messages = {
  readonly [Type in BffEvent['type']]: ((event: EventOf<Type>) => Message | undefined) | 'not printed'
}

/** The endpoint that a `detail` begins with, and its URL at the end: providers have endpoints of the same name. */
function endpointIn(detail = ''): string | undefined {
  const name = /^([a-z][a-z ]*): /.exec(detail)?.[1]
  return name && `${name} ${/\(https?:[^()]*\)$/.exec(detail)?.[0] ?? ''}`
}

/** By `detail` of `operator_error`; the first that fits. */
const mistakes: readonly (readonly [RegExp, remedy: string])[] = [
  [/^metadata: .*its issuer is/, 'Copy "issuer" from the provider’s metadata document, character for character'],
  [
    /^metadata: /,
    'Compare "issuer" (or "metadataUrl") with the address of the provider, and open this URL from this server',
  ],
  [/^[a-z ]+: not sent, /, 'Look for the error in a function among the options: "fetch", or one that returns a secret'],
  [
    /^[a-z ]+: .*redirect_uri/,
    'Register the redirect URI at the provider, character for character: bff.describe() lists it',
  ],
  [
    /^[a-z ]+: (401|.*(invalid_client|unauthorized_client))/,
    'Compare "client_id", the client’s secret or key, and "clientAuthentication" with the registration at the provider',
  ],
  [
    / (in|among) "cookieKeys"|later release/,
    'Run one release, with the same "cookieKeys", in all processes that share the store',
  ],
  [/cannot be read|cookie key/, 'Check the function that returns it, and the secret manager behind it'],
  [/^(onSignIn|The function) /, 'Look for the error in that function of yours'],
  [/responds with its token/, 'Correct that API: in a body, its token would reach the page'],
  [/^The (store|tables) /, 'Look up the code in the parentheses: a full disk, a missing right, a missing table'],
  [/ in \//, 'That is a bug: in a function among the options ("fetch", "addressOf", a store), or in sallyport'],
]

const clocks = 'Compare the clock of this server with that of the provider; "clockTolerance" is for small differences'

const claimRemedies: Readonly<Record<string, string>> = {
  exp: clocks,
  iat: clocks,
  alg: 'Set "idTokenAlgs" to the algorithm that this client is registered with',
  signature: 'Compare "issuer" with the provider: its key set does not have the key of this ID Token',
  acr: 'The provider did not do what the sign-in requested ("acr_values"): configure it there',
  auth_time: 'The provider did not do what the sign-in requested ("max_age"): configure it there',
  missing: 'Let the provider issue ID Tokens to this client: "scope" must have openid',
}

const messages: Messages = {
  operator_error: ({ detail }) => ({
    at: endpointIn(detail) ?? detail,
    what: detail,
    remedy:
      mistakes.find(([pattern]) => pattern.test(detail))?.[1] ?? 'Compare the configuration here and at the provider',
  }),
  provider_unavailable: ({ detail }) => ({
    at: endpointIn(detail),
    what: detail,
    remedy:
      'Sessions are kept. If it lasts, check that this server reaches that URL: DNS, firewall, proxy, certificate',
  }),
  // A refusal is the end of one session, and `operator_error` reports mistakes.
  refresh_failed: ({ outcome, status, error, detail = 'token' }) =>
    outcome !== 'refused' && isTemporaryStatus({ status, ...(error !== undefined && { error }) })
      ? {
          at: endpointIn(detail),
          what: detail,
          remedy:
            'Sessions are kept, and the refresh is tried again. If it lasts, check that this server reaches that URL',
        }
      : undefined,
  // Anybody with an account at the provider belongs to some tenant.
  id_token_refused: ({ claim, detail }) =>
    claim === 'tid'
      ? undefined
      : {
          at: claim,
          what: `the ID Token was refused: ${claim}${detail === undefined ? '' : `, ${detail}`}`,
          remedy: claimRemedies[claim] ?? 'Compare "issuer" and "client_id" with the registration at the provider',
        },
  userinfo_failed: ({ detail }) => ({
    at: endpointIn(detail),
    what: detail,
    remedy: 'Users are signed in without the claims that only UserInfo has. Check that this client may read UserInfo',
  }),
  revocation_failed: ({ detail = 'the refresh token could not be revoked' }) => ({
    at: endpointIn(detail),
    what: detail,
    remedy: 'The session has ended, but its refresh token is valid at the provider until it expires',
  }),
  upstream_failed: ({ route }) => ({
    at: route,
    what: `the API of the route "${route}" is down, or did not respond in time`,
    remedy: 'Check the API, and "upstream" and "timeout" of the route',
  }),
  resource_ignored: ({ resource }) => ({
    at: resource.join(' '),
    what: `the provider issued a token for another API than ${resource.join(' ')}; it is not used`,
    remedy: 'Use the provider’s own way to set the API of a token, and one resource per backend',
  }),
  limiter_unavailable: () => ({
    what: 'a limiter of "rateLimits" does not respond; requests are served without it',
    remedy: 'Check the store of the limiter',
  }),
  address_limit_off: ({ remedy }) => ({ what: 'anonymous requests are not limited', remedy }),
  store_unavailable: ({ detail }) => ({
    what: detail,
    remedy: 'Nobody is signed out. Check that this server reaches the store: address, password, number of connections',
  }),
  store_warning: ({ detail }) => ({
    at: detail,
    what: detail,
    remedy: 'Change the configuration of the store’s server',
  }),
  no_refresh_token: ({ issuer, remedy }) => ({
    at: issuer,
    what: `${issuer} has issued no refresh token: sessions end with their first access token`,
    remedy,
  }),
  // Anybody can send requests that are refused. This one needs an account at the provider.
  request_refused: ({ error, detail = '' }) =>
    error === 'session_too_large' ? { what: detail, remedy: 'With a "store" there is no such limit' } : undefined,
  sign_in_refused: 'not printed',
  cookie_refused: 'not printed',
  signed_in: 'not printed',
  signed_out: 'not printed',
  token_refreshed: 'not printed',
  provider_logout: 'not printed',
}

/**
 * The line for an event; `undefined` if the operator need not act, or if anybody can cause it without an account. `development`: the
 * app is on loopback, where all addresses are private.
 */
export function operatorLine(event: BffEvent, { development }: { development: boolean }): OperatorLine | undefined {
  const { type } = event
  if (development && type === 'address_limit_off') return undefined
  const message = messages[type] as Messages['operator_error']
  if (message === 'not printed') return undefined
  const found = message(event as EventOf<'operator_error'>)
  if (!found) return undefined
  const { at = '', what, remedy } = found
  return {
    subject: `${type} ${at}`,
    text: `${type}: ${withoutStop(what)}. ${withoutStop(remedy)}. See docs/troubleshooting.md#${type}`,
  }
}

const withoutStop = (text: string): string => text.replace(/\.$/, '')
