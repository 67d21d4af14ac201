import { randomId } from '../../crypto/hash.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { returnTarget } from '../../protocol/http/return-to.js'
import { calculateCodeChallenge } from '../../protocol/pkce.js'
import { errorCode } from '../../provider/openid-client-errors.js'
import { Refusal } from '../errors.js'
import { redirect } from '../http/answers.js'
import type { Endpoint } from '../http/endpoint.js'
import { type Form, one, readForm, readQuery, required } from '../http/form.js'
import type { Provider } from '../providers.js'
import { signIn, spending } from './sign-in.js'
import { createSignedResponse } from './signed-response.js'
import { beganIn, type OwnFlow, type SignInContext, type Transaction, validateRequest } from './transaction.js'

/** What may be said of a sign-in, beside where to go afterwards. */
const standard = ['prompt', 'max_age', 'acr_values', 'login_hint', 'ui_locales']
/** What a third party may say that sends somebody here. @see OpenID Connect Core 1.0 section 4 */
const initiation = ['iss', 'target_link_uri']

/** Characters of a way back: it travels in a cookie. */
const LONGEST = 512
/** Characters of what a form of another site says that are led on as a query. */
const LONGEST_QUERY = 4096

/** Refusals of a silent sign-in. @see OpenID Connect Core 1.0 section 3.1.2.6 */
const silentRefusals = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']

/** The backend's own code flow: no part of it is the page's. @see RFC 10017 section 6.1 */
export function createLogin(context: SignInContext) {
  const { settings: site, providers, transactions, sessions, replaced } = context
  const { origin, basePath, emit } = site

  /** Where to go afterwards; not back into these endpoints, which would sign in or out again. */
  function returnTo(form: Form): string {
    const wanted = one(form, 'return_to') ?? one(form, 'target_link_uri')
    const target = returnTarget(wanted, origin)
    return target.length > LONGEST || `${target}/`.startsWith(`${basePath}/`) ? '/' : target
  }

  async function begin(request: PlainRequest, form: Form): Promise<PlainResponse> {
    const iss = one(form, 'iss')
    const provider = iss === undefined ? providers.main : providers.of(iss)
    if (!provider) throw new Refusal('issuer_mismatch')
    const { settings } = provider
    const present = await sessions.read(request, false)
    if (present.record) context.limits.signedIn(request)
    const replaces = present.record ?? (await replaced.read(request))
    const code_verifier = randomId()
    const own: OwnFlow = {
      code_verifier,
      return_to: returnTo(form),
      ...(replaces && { replaces: { id: replaces.id, expires: replaces.expires } }),
      ...(one(form, 'prompt') === 'none' && { silent: true }),
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
      if (name !== 'return_to' && !initiation.includes(name)) authorization.set(name, values)
    const { transaction, request: sent } = await validateRequest(authorization, settings)
    const location = await provider.authorizationUrl(sent)
    return redirect(location, await transactions.begin(request, { ...transaction, ...beganIn(present), own }))
  }

  async function finish(request: PlainRequest, form: Form, provider: Provider): Promise<PlainResponse> {
    const state = required(form, 'state')
    const taken = await transactions.take(request, state).catch(async (error) => {
      if (!(error instanceof Refusal)) throw error
      // Others were begun after it, perhaps in other tabs. Who is here is for the page to ask: Strict cookies are withheld.
      if (error.details.transaction) {
        if (await replaced.read(request)) return `${origin}/`
        throw new Refusal('state_mismatch', error.details)
      }
      // A reload, or the button back: who is signed in already has nothing left to do here.
      if (error.code === 'transaction_consumed' && (await sessions.read(request, false)).record) return '/'
      throw error
    })
    if (typeof taken === 'string') return redirect(taken)
    const { transaction, cookies } = taken
    return spending(cookies, async () => {
      const { own } = transaction
      if (!own) throw new Refusal('state_mismatch')
      // Each provider has a way back of its own: what was begun at one is not finished at another.
      if (transaction.issuer !== provider.settings.issuer) throw new Refusal('issuer_mismatch')
      const error = one(form, 'error')
      await provider.requireIssuer(one(form, 'iss'))
      if (error !== undefined) return refused(error, own, cookies)
      return redeem(request, form, { ...transaction, own }, cookies)
    })
  }

  /** The provider's refusal is data: its words are shown by nobody. */
  function refused(error: string, own: OwnFlow, cookies: readonly string[]): PlainResponse {
    const known = errorCode(error)
    emit({ type: 'sign_in_refused', error: known })
    if (own.silent && silentRefusals.includes(known)) return redirect(marked(own.return_to, known), cookies)
    throw new Refusal('authorization_error', { description: `The provider answers "${known}".` })
  }

  async function redeem(
    request: PlainRequest,
    form: Form,
    transaction: Transaction & { own: OwnFlow },
    cookies: readonly string[],
  ): Promise<PlainResponse> {
    const { code_verifier, return_to } = transaction.own
    const response = {
      code: required(form, 'code'),
      state: required(form, 'state'),
      iss: one(form, 'iss'),
      code_verifier,
    }
    const { presence } = await signIn(request, transaction, response, context)
    return redirect(return_to, [...cookies, ...presence.cookies, await replaced.set(presence.record)])
  }

  const parameters = [...standard, 'return_to', ...initiation, ...site.authorizationParams]
  return {
    /** `GET /login?return_to=`, and as a form, as third parties may send it. A navigation. */
    login: async (request: PlainRequest) => begin(request, readQuery(request, parameters)),
    loginByForm: async (request: PlainRequest) => {
      const form = await readForm(request, parameters)
      // A form of another site brings not even a Lax cookie: which session this browser has is told by the GET that it leads to.
      const query = `${new URLSearchParams([...form].flatMap(([name, values]) => values.map((value) => [name, value])))}`
      return request.headers.get('sec-fetch-site') === 'cross-site' && query.length <= LONGEST_QUERY
        ? redirect(`${origin}${basePath}/login?${query}`)
        : begin(request, form)
    },
    /** `GET /callback`, or the provider's form; of each provider at a path of its own. */
    callbacks: providers.all.map((provider): Endpoint => {
      const path = new URL(provider.settings.redirect_uris[0] ?? '').pathname.slice(basePath.length)
      const open = site.response_mode === 'jwt' ? createSignedResponse(provider) : async (form: Form) => form
      const byForm = site.response_mode === 'form_post'
      return {
        method: byForm ? 'POST' : 'GET',
        path,
        exempt: 'navigation',
        refusal: 'page',
        limited: true,
        answer: async (request) => {
          const form = byForm ? await readForm(request, 'any') : readQuery(request, 'any')
          return finish(request, await open(form), provider)
        },
      }
    }),
  }
}

/** A silent sign-in that the provider refused: the page finds why in its own address. */
function marked(target: string, error: string): string {
  const url = new URL(target, 'https://page.invalid')
  url.searchParams.set('error', error)
  return url.pathname + url.search + url.hash
}
