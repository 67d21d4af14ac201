import { randomId } from '../../crypto/hash.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { returnTarget } from '../../protocol/http/return-to.js'
import { calculateCodeChallenge } from '../../protocol/pkce.js'
import { errorCode, interactionErrors } from '../../provider/failures/failure.js'
import { readable } from '../../provider/failures/provider-text.js'
import { Refusal } from '../errors.js'
import { redirect } from '../http/answers.js'
import type { Endpoint } from '../http/endpoint.js'
import { type Form, parameter, readForm, readQuery, requiredParameter } from '../http/form.js'
import type { Provider } from '../providers.js'
import { expiringCookies, signIn } from './sign-in.js'
import { createSignedResponse } from './signed-response.js'
import {
  type BackendFlow,
  previousSession,
  type SignInContext,
  type Transaction,
  validateRequest,
} from './transaction.js'

/** Parameters that are passed on to the provider. */
const signInParameters = ['prompt', 'max_age', 'acr_values', 'login_hint', 'ui_locales']
/** Parameters of a sign-in that a third party initiates; others are ignored. @see OpenID Connect Core 1.0 section 4 */
const initiationParameters = ['iss', 'target_link_uri']

/** Parameters of an authorization response. Others are ignored (RFC 6749 section 4.1.2), except by `onSignIn`. */
const responseParameters =
  'code state iss error error_description error_uri scope session_state id_token access_token token_type expires_in response'.split(
    ' ',
  )

/** Characters, since it is stored in a cookie. */
const MAX_RETURN_TO = 512
/** Characters of a form that is redirected as a query. */
const MAX_QUERY = 4096

/** The code flow of proxy mode. @see RFC 10017 section 6.1 */
export function createLogin(context: SignInContext) {
  const { settings: settings_, providers, transactions, sessions, replaced } = context
  const { origin, basePath, emit } = settings_

  /** Where to redirect afterwards; not to an endpoint of this backend, which would sign in or out again. */
  function returnTo(form: Form): string {
    const requested = parameter(form, 'return_to') ?? parameter(form, 'target_link_uri')
    const target = returnTarget(requested, origin)
    return target.length > MAX_RETURN_TO || `${target}/`.startsWith(`${basePath}/`) ? '/' : target
  }

  async function begin(request: PlainRequest, form: Form): Promise<PlainResponse> {
    const iss = parameter(form, 'iss')
    const provider = iss === undefined ? providers.main : providers.byIssuer(iss)
    if (!provider) throw new Refusal('issuer_mismatch')
    const { settings } = provider
    const session = await sessions.read(request, false)
    if (session.record) context.limits.giveBack(request)
    const replaces = session.record ?? (await replaced.read(request))
    const code_verifier = randomId()
    const flow: BackendFlow = {
      code_verifier,
      return_to: returnTo(form),
      ...(replaces && { replaces: { id: replaces.id, expires: replaces.expires } }),
      ...(parameter(form, 'prompt') === 'none' && { silent: true }),
    }
    const authorization: Form = new Map([
      ['response_type', ['code']],
      ['client_id', [settings.client_id]],
      ['redirect_uri', [...settings.redirect_uris]],
      ['state', [randomId()]],
      ['nonce', [randomId()]],
      ['code_challenge', [await calculateCodeChallenge(code_verifier)]],
      ['code_challenge_method', ['S256']],
    ])
    if (settings.response_mode !== 'query') authorization.set('response_mode', [settings.response_mode])
    for (const [name, values] of form)
      if (name !== 'return_to' && !initiationParameters.includes(name)) authorization.set(name, values)
    const { transaction, request: sent } = await validateRequest(authorization, settings)
    const location = await provider.authorizationUrl(sent)
    return redirect(
      location,
      await transactions.begin(request, { ...transaction, ...previousSession(session), own: flow }),
    )
  }

  async function finish(request: PlainRequest, form: Form, provider: Provider): Promise<PlainResponse> {
    const state = requiredParameter(form, 'state')
    const taken = await transactions.take(request, state).catch(async (error) => {
      if (!(error instanceof Refusal)) throw error
      // The transaction was deleted by later sign-ins, perhaps in other tabs. Strict cookies are missing here, so the page checks the session.
      if (error.details.transaction) {
        if (await replaced.read(request)) return `${origin}/`
        throw new Refusal('state_mismatch', error.details)
      }
      // A reload, or the back button, after a successful sign-in.
      if (error.code === 'transaction_consumed' && (await sessions.read(request, false)).record) return '/'
      throw error
    })
    if (typeof taken === 'string') return redirect(taken)
    const { transaction, cookies } = taken
    return expiringCookies(cookies, async () => {
      const { own: flow } = transaction
      if (!flow) throw new Refusal('state_mismatch')
      // Mix-up: a sign-in that began at one provider must not finish at the callback of another.
      if (transaction.issuer !== provider.settings.issuer) throw new Refusal('issuer_mismatch')
      const error = parameter(form, 'error')
      await provider.requireIssuer(parameter(form, 'iss'))
      if (error !== undefined) return refused(error, readable(parameter(form, 'error_description')), flow, cookies)
      return redeem(request, form, { ...transaction, own: flow }, cookies)
    })
  }

  /** An error response of the provider. Its free text is never shown. */
  function refused(error: string, said: string, flow: BackendFlow, cookies: readonly string[]): PlainResponse {
    const known = errorCode(error)
    emit({ type: 'sign_in_refused', error: known, ...(said && { detail: said }) })
    if (flow.silent && interactionErrors.has(known)) return redirect(withError(flow.return_to, known), cookies)
    throw new Refusal('authorization_error', { description: `The provider responds with "${known}".` })
  }

  async function redeem(
    request: PlainRequest,
    form: Form,
    transaction: Transaction & { own: BackendFlow },
    cookies: readonly string[],
  ): Promise<PlainResponse> {
    const { code_verifier, return_to } = transaction.own
    const response = {
      code: requiredParameter(form, 'code'),
      state: requiredParameter(form, 'state'),
      iss: parameter(form, 'iss'),
      code_verifier,
    }
    const others = [...form].flatMap(([name, [value = '']]) =>
      responseParameters.includes(name) ? [] : [[name, value] as const],
    )
    const { session } = await signIn(request, transaction, response, context, Object.fromEntries(others))
    return redirect(return_to, [...cookies, ...session.cookies, await replaced.set(session.record)])
  }

  const parameters = [...signInParameters, 'return_to', ...initiationParameters, ...settings_.authorizationParams]
  return {
    /** `GET /login?return_to=`. */
    login: async (request: PlainRequest) => begin(request, readQuery(request, parameters, 'ignore')),
    loginByForm: async (request: PlainRequest) => {
      const form = await readForm(request, parameters, 'ignore')
      // With a form of another site, browsers send no Lax cookies. They do with the GET that it is redirected to.
      const query = `${new URLSearchParams([...form].flatMap(([name, values]) => values.map((value) => [name, value])))}`
      return request.headers.get('sec-fetch-site') === 'cross-site' && query.length <= MAX_QUERY
        ? redirect(`${origin}${basePath}/login?${query}`)
        : begin(request, form)
    },
    /** `GET /callback`, or `POST` for `form_post`. Each provider has a callback of its own. */
    callbacks: providers.all.map((provider): Endpoint => {
      const path = new URL(provider.settings.redirect_uris[0] ?? '').pathname.slice(basePath.length)
      const open = settings_.response_mode === 'jwt' ? createSignedResponse(provider) : async (form: Form) => form
      const byForm = settings_.response_mode === 'form_post'
      return {
        method: byForm ? 'POST' : 'GET',
        path,
        exempt: 'navigation',
        refusal: 'page',
        limited: true,
        answer: async (request) => {
          const form = byForm
            ? await readForm(request, responseParameters, 'keep')
            : readQuery(request, responseParameters, 'keep')
          return finish(request, await open(form), provider)
        },
      }
    }),
  }
}

/** Tells the page in its URL why a silent sign-in was refused. */
function withError(target: string, error: string): string {
  const url = new URL(target, 'https://page.invalid')
  url.searchParams.set('error', error)
  return url.pathname + url.search + url.hash
}
