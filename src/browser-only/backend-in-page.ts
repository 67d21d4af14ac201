import type { Answer } from '../client/backend.js'
import type { StandardClaims } from '../protocol/claims.js'
import type { Mode, SignedOutReason, TokenResponse } from '../protocol/session.js'
import type { RedeemedCode } from '../provider/code-grant.js'
import { createProvider } from '../provider/provider.js'
import { type ProviderAnswer, refreshOutcome } from '../provider/refresh-outcome.js'
import type { ProviderSettings } from '../provider/settings.js'
import { BrowserOnlyError, errorAnswerOf } from './errors.js'
import { withLock } from './lock.js'
import { keepRequest, takeRequest } from './pending-requests.js'
import type { Proofs } from './proofs.js'
import { authorizeSilently, type SilentResponse } from './silent-authorization.js'

export interface BackendInPageSettings extends ProviderSettings {
  redirect_uri: string
  post_logout_redirect_uri: string
  scope: string
  proofs: Proofs | undefined
  /** Whether somebody has signed in in this browser and not out again: only then is a frame worth its while. */
  wasHere: { get(): boolean; set(here: boolean): void }
}

/** Who is signed in, in this closure and nowhere else. */
interface SignedInUser {
  user: StandardClaims & { sub: string }
  id_token: string
  refresh_token: string | undefined
}

const mode: Mode = 'token-mediating'

/** Seconds that a token is taken to be good for where the provider does not say. */
const DEFAULT_LIFETIME = 300

export { createProofs } from './proofs.js'

export type BackendInPage = ReturnType<typeof createBackendInPage>

/** What a backend would do, done in the page: the same checks by the same code, and none of its protection. */
export function createBackendInPage(settings: BackendInPageSettings) {
  const { issuer, client_id, redirect_uri, scope, proofs, wasHere } = settings
  const provider = createProvider(settings, proofs)
  const lock = `sallyport ${issuer} ${client_id}`
  let person: SignedInUser | undefined

  const answerOf = ({
    access_token,
    expires_in,
    scope: granted,
  }: Omit<RedeemedCode, 'claims' | 'id_token'>): TokenResponse => ({
    access_token,
    token_type: 'Bearer',
    expires_in: expires_in ?? DEFAULT_LIFETIME,
    scope: granted ?? scope,
  })

  function enter(tokens: RedeemedCode): TokenResponse {
    person = { user: tokens.claims, id_token: tokens.id_token, refresh_token: tokens.refresh_token }
    wasHere.set(true)
    return answerOf(tokens)
  }

  function leave(): void {
    person = undefined
    wasHere.set(false)
  }

  /** What the page hears; when a session at the provider ends, nobody says: 0. */
  const present = ({ user }: Pick<SignedInUser, 'user'>) => ({ mode, user, expires_at: 0 })
  const nobody = (reason: SignedOutReason) => ({ mode, user: null, expires_at: null, reason })

  async function redeem(form: URLSearchParams) {
    const begun = takeRequest(form.get('state') ?? '')
    if (!begun) throw new BrowserOnlyError('state_mismatch')
    const tokens = await provider.redeem({
      ...begun,
      code: form.get('code') ?? '',
      state: form.get('state') ?? '',
      iss: form.get('iss') ?? undefined,
      code_verifier: form.get('code_verifier') ?? '',
      resource: form.getAll('resource'),
    })
    return { ...enter(tokens), ...present({ user: tokens.claims }) }
  }

  /** Whoever is signed in at the provider, if it says so without asking anybody. */
  async function restore(form: URLSearchParams): Promise<TokenResponse | undefined> {
    const { authorization_endpoint = '' } = await provider.metadata()
    const resource = form.get('resource')
    const asked = { client_id, redirect_uri, scope, ...(resource && { resource }) }
    const silent = await withLock(lock, () => authorizeSilently(authorization_endpoint, asked))
    if (!silent) return undefined
    const { response } = silent
    if (response.has('error')) {
      // It answered, and says that nobody is.
      wasHere.set(false)
      return undefined
    }
    return enter(await redeemSilent(silent, resource))
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
    const before = person
    if (!before) throw new BrowserOnlyError('invalid_grant', { reason: 'none' })
    if (before.refresh_token === undefined) return renewSilently(form, before)
    const answer = await withLock(lock, () => spend(before, form))
    // Signed out, or in as somebody else, meanwhile.
    if (person !== before) throw new BrowserOnlyError('invalid_grant', { reason: 'logged_out' })
    if (answer.type !== 'tokens') throw refusalOf(answer, form.has('resource'))
    if (answer.sub !== undefined && answer.sub !== before.user.sub) {
      leave()
      throw new BrowserOnlyError('invalid_grant', { reason: 'user_changed' })
    }
    person = {
      user: before.user,
      id_token: answer.id_token ?? before.id_token,
      refresh_token: answer.refresh_token ?? before.refresh_token,
    }
    return answerOf(answer)
  }

  async function spend({ refresh_token = '' }: SignedInUser, form: URLSearchParams): Promise<ProviderAnswer> {
    const ask = await provider.prepareRefresh()
    if (!ask) return { type: 'unreachable' }
    const parameters = new URLSearchParams()
    for (const name of ['scope', 'resource'])
      for (const value of form.getAll(name)) if (value) parameters.append(name, value)
    return ask(refresh_token, parameters)
  }

  async function renewSilently(form: URLSearchParams, { user }: SignedInUser): Promise<TokenResponse> {
    const token = await restore(form)
    if (token && person?.user.sub === user.sub) return token
    const answered = token !== undefined || !wasHere.get()
    if (!answered) throw new BrowserOnlyError('temporarily_unavailable')
    leave()
    throw new BrowserOnlyError('invalid_grant', { reason: token ? 'user_changed' : 'expired' })
  }

  function refusalOf(answer: Exclude<ProviderAnswer, { type: 'tokens' }>, additionalToken: boolean): BrowserOnlyError {
    const outcome = refreshOutcome(answer, {
      outcomeUnknown: false,
      issuedHere: true,
      refusedBefore: true,
      unexpectedBefore: 0,
      tokenStillValid: false,
      additionalToken,
    })
    if (outcome.type === 'ended') {
      leave()
      return new BrowserOnlyError('invalid_grant', { reason: outcome.reason })
    }
    const retryAfter = 'retryAfter' in answer ? answer.retryAfter : undefined
    return new BrowserOnlyError(outcome.error, retryAfter === undefined ? {} : { retryAfter })
  }

  /** The endpoints of a backend, by path. @throws BrowserOnlyError, ProviderError */
  async function ask(path: string, form: URLSearchParams | undefined): Promise<object> {
    switch (path) {
      case '/.well-known/openid-configuration':
        await provider.metadata()
        return { mode, issuer, client_id, scope }
      case '/transaction': {
        keepRequest(form ?? new URLSearchParams())
        const { authorization_endpoint = '' } = await provider.metadata()
        const url = new URL(authorization_endpoint)
        for (const [name, value] of form ?? []) url.searchParams.append(name, value)
        return { location: url.href }
      }
      case '/token':
        return form?.get('grant_type') === 'refresh_token' ? renew(form) : redeem(form ?? new URLSearchParams())
      case '/session': {
        const token = person || !form || !wasHere.get() ? undefined : await restore(form)
        return person ? { ...present(person), ...(token && { token }) } : nobody('none')
      }
      case '/logout': {
        const { id_token, refresh_token } = person ?? {}
        leave()
        if (refresh_token !== undefined) await provider.revoke(refresh_token)
        const { post_logout_redirect_uri } = settings
        const hint = id_token === undefined ? {} : { id_token_hint: id_token }
        const url = await provider
          .endSessionUrl({ client_id, post_logout_redirect_uri, ...hint })
          .catch(() => undefined)
        return { location: url ?? null }
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
