import type { Answer } from '../client/backend.js'
import type { StandardClaims } from '../protocol/claims.js'
import { listedUrl } from '../protocol/http/return-to.js'
import type { Mode, SignedOutReason, TokenResponse } from '../protocol/session.js'
import type { RedeemedCode } from '../provider/code-grant.js'
import { createProvider } from '../provider/provider.js'
import { type ProviderAnswer, refreshOutcome } from '../provider/refresh-outcome.js'
import type { ProviderSettings } from '../provider/settings.js'
import type { DpopFetch } from './dpop-fetch.js'
import { BrowserOnlyError, errorAnswerOf } from './errors.js'
import { withLock } from './lock.js'
import { saveRequest, takeRequest } from './pending-requests.js'
import { authorizeSilently, type SilentResponse } from './silent-authorization.js'

export interface BackendInPageSettings extends ProviderSettings {
  redirect_uri: string
  /** The first is the default. */
  post_logout_redirect_uris: readonly string[]
  endSessionParams: Readonly<Record<string, string>> | undefined
  scope: string
  dpop: DpopFetch | undefined
  /** Whether a user has signed in in this browser and not signed out. Only then a hidden frame is tried. */
  signedInBefore: { get(): boolean; set(here: boolean): void }
}

/** The user who is signed in, with tokens that stay in this closure. */
interface SignedInUser {
  user: StandardClaims & { iss: string; sub: string }
  id_token: string
  refresh_token: string | undefined
}

const mode: Mode = 'token-mediating'

/** Lifetime of a token in seconds, if the provider does not say it. */
const DEFAULT_LIFETIME = 300

export { createDpopFetch } from './dpop-fetch.js'

export type BackendInPage = ReturnType<typeof createBackendInPage>

/** The endpoints of a backend, run in the page: the same checks by the same code, without a backend's protection. */
export function createBackendInPage(settings: BackendInPageSettings) {
  const { issuer, client_id, redirect_uri, scope, dpop, signedInBefore } = settings
  const provider = createProvider(settings, dpop)
  const lock = `sallyport ${issuer} ${client_id}`
  let currentUser: SignedInUser | undefined

  const tokenBody = ({
    access_token,
    expires_in,
    scope: granted,
  }: Omit<RedeemedCode, 'claims' | 'id_token'>): TokenResponse => ({
    access_token,
    token_type: 'Bearer',
    expires_in: expires_in ?? DEFAULT_LIFETIME,
    scope: granted ?? scope,
  })

  function saveUser(tokens: RedeemedCode): TokenResponse {
    currentUser = { user: tokens.claims, id_token: tokens.id_token, refresh_token: tokens.refresh_token }
    signedInBefore.set(true)
    return tokenBody(tokens)
  }

  function forgetUser(): void {
    currentUser = undefined
    signedInBefore.set(false)
  }

  /** The session for the page. `expires_at` is 0: the end of the session at the provider is not known. */
  const signedInBody = ({ user }: Pick<SignedInUser, 'user'>) => ({ mode, user, expires_at: 0 })
  const signedOutBody = (reason: SignedOutReason) => ({ mode, user: null, expires_at: null, reason })

  async function redeem(form: URLSearchParams) {
    const request = takeRequest(form.get('state') ?? '')
    if (!request) throw new BrowserOnlyError('state_mismatch')
    const tokens = await provider.redeem({
      ...request,
      code: form.get('code') ?? '',
      state: form.get('state') ?? '',
      iss: form.get('iss') ?? undefined,
      code_verifier: form.get('code_verifier') ?? '',
      resource: form.getAll('resource'),
    })
    return { ...saveUser(tokens), ...signedInBody({ user: tokens.claims }) }
  }

  /** Signs in without the user, if the provider still has a session. */
  async function restore(form: URLSearchParams): Promise<TokenResponse | undefined> {
    const { authorization_endpoint = '' } = await provider.metadata()
    const resource = form.get('resource')
    const parameters = { client_id, redirect_uri, scope, ...(resource && { resource }) }
    const silent = await withLock(lock, () => authorizeSilently(authorization_endpoint, parameters))
    if (!silent) return undefined
    const { response } = silent
    if (response.has('error')) {
      // The provider has answered: nobody is signed in there.
      signedInBefore.set(false)
      return undefined
    }
    return saveUser(await redeemSilent(silent, resource))
  }

  const redeemSilent = ({ response, nonce, code_verifier }: SilentResponse, resource: string | null) =>
    provider.redeem({
      redirect_uri,
      nonce,
      code_verifier,
      code: response.get('code') ?? '',
      state: response.get('state') ?? '',
      iss: response.get('iss') ?? undefined,
      resource: resource ? [resource] : [],
    })

  async function renew(form: URLSearchParams): Promise<TokenResponse> {
    const before = currentUser
    if (!before) throw new BrowserOnlyError('invalid_grant', { reason: 'none' })
    if (before.refresh_token === undefined) return renewSilently(form, before)
    const answer = await withLock(lock, () => sendRefresh(before, form))
    // The user has signed out, or another one has signed in, meanwhile.
    if (currentUser !== before) throw new BrowserOnlyError('invalid_grant', { reason: 'logged_out' })
    if (answer.type === 'foreign') {
      forgetUser()
      throw new BrowserOnlyError('invalid_grant', { reason: 'user_changed' })
    }
    if (answer.type === 'unusable' && answer.refresh_token !== undefined)
      currentUser = { ...before, refresh_token: answer.refresh_token }
    if (answer.type !== 'tokens') throw errorOf(answer, form.has('resource'))
    currentUser = {
      user: before.user,
      id_token: answer.id_token ?? before.id_token,
      refresh_token: answer.refresh_token ?? before.refresh_token,
    }
    return tokenBody(answer)
  }

  async function sendRefresh(
    { refresh_token = '', user }: SignedInUser,
    form: URLSearchParams,
  ): Promise<ProviderAnswer> {
    const refresh = await provider.prepareRefresh()
    if (typeof refresh !== 'function') throw new BrowserOnlyError(refresh)
    const parameters = new URLSearchParams()
    for (const name of ['scope', 'resource'])
      for (const value of form.getAll(name)) if (value) parameters.append(name, value)
    return refresh(refresh_token, parameters, user)
  }

  async function renewSilently(form: URLSearchParams, { user }: SignedInUser): Promise<TokenResponse> {
    const token = await restore(form)
    if (token && currentUser?.user.sub === user.sub) return token
    const answered = token !== undefined || !signedInBefore.get()
    if (!answered) throw new BrowserOnlyError('temporarily_unavailable')
    forgetUser()
    throw new BrowserOnlyError('invalid_grant', { reason: token ? 'user_changed' : 'expired' })
  }

  function errorOf(answer: Exclude<ProviderAnswer, { type: 'tokens' }>, additionalToken: boolean): BrowserOnlyError {
    const outcome = refreshOutcome(answer, {
      outcomeUnknown: false,
      issuedHere: true,
      refusedBefore: true,
      unexpectedBefore: 0,
      tokenStillValid: false,
      additionalToken,
    })
    if (outcome.type === 'ended') {
      forgetUser()
      return new BrowserOnlyError('invalid_grant', { reason: outcome.reason })
    }
    const retryAfter = 'retryAfter' in answer ? answer.retryAfter : undefined
    return new BrowserOnlyError(outcome.error, retryAfter === undefined ? {} : { retryAfter })
  }

  /** The endpoints of a backend, by path. @throws BrowserOnlyError, ProviderError */
  async function ask(path: string, form: URLSearchParams | undefined): Promise<object> {
    const [endpoint, query] = path.split('?')
    switch (endpoint) {
      case '/.well-known/openid-configuration':
        await provider.metadata()
        return { mode, issuer, client_id, scope }
      case '/transaction': {
        saveRequest(form ?? new URLSearchParams())
        const { authorization_endpoint = '' } = await provider.metadata()
        const url = new URL(authorization_endpoint)
        for (const [name, value] of form ?? []) url.searchParams.append(name, value)
        if (!form?.has('scope')) url.searchParams.set('scope', scope)
        return { location: url.href }
      }
      case '/token':
        return form?.get('grant_type') === 'refresh_token' ? renew(form) : redeem(form ?? new URLSearchParams())
      case '/session': {
        const token = currentUser || !form || !signedInBefore.get() ? undefined : await restore(form)
        return currentUser ? { ...signedInBody(currentUser), ...(token && { token }) } : signedOutBody('none')
      }
      case '/logout': {
        const { id_token, refresh_token } = currentUser ?? {}
        forgetUser()
        // Other tabs may share the grant.
        const parameters = new URLSearchParams(query)
        if (parameters.get('local') === 'true') return { location: null }
        if (refresh_token !== undefined) await provider.revoke(refresh_token)
        const uris = settings.post_logout_redirect_uris
        const requested = parameters.get('return_to')
        const target = requested === null ? undefined : listedUrl(requested, location.href, uris)
        const hint = id_token === undefined ? {} : { id_token_hint: id_token }
        const url = await provider
          .endSessionUrl({
            ...settings.endSessionParams,
            client_id,
            post_logout_redirect_uri: target ?? uris[0] ?? '',
            ...hint,
          })
          .catch(() => undefined)
        return { location: url ?? target ?? null }
      }
      default:
        throw new BrowserOnlyError('not_found')
    }
  }

  return {
    /** Answers as a backend does. Never rejects. */
    async respond(path: string, form: URLSearchParams | undefined): Promise<Answer> {
      try {
        return { status: 200, ok: true, retryAfter: 0, body: { ...(await ask(path, form)) } }
      } catch (error) {
        return errorAnswerOf(error) ?? { status: 0, ok: false, retryAfter: 0, cause: error }
      }
    },
  }
}
