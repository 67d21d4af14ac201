import { randomId } from '../../crypto/hash.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { listedUrl } from '../../protocol/http/return-to.js'
import { isRecent } from '../../protocol/time.js'
import { withTimeout } from '../../protocol/timeout.js'
import type { BffContext } from '../context.js'
import { json, redirect } from '../http/answers.js'
import type { CookieJar } from '../http/cookies.js'
import { readParameter } from '../http/form.js'
import { type CookieKeys, openJson } from '../sealing/cookie-keys.js'
import { createSealedRecords } from '../sealing/sealed-records.js'
import type { SessionRecord } from '../sessions/session-record.js'
import type { RefreshTokenEnd } from '../sessions/session-storage.js'
import type { PresentSession, ProviderTokens } from '../sessions/sessions.js'
import { recordOf } from '../store/record-id.js'

/** For sign-out at the provider, in a sealed cookie. `id` finds the ID Token hint in the store. */
interface Continuation {
  id: string
  iss: string
  client_id: string
  at: number
  /** One of `post_logout_redirect_uris`, if it is not the default. */
  return_to?: string
}

/** Seconds between the response and the navigation to `/logout/continue`. */
const LIFETIME = 120
/** Seconds to wait for a request body. */
const BODY_TIMEOUT = 3

interface LogoutContext extends BffContext {
  transactions: { clear(request: PlainRequest): readonly string[] }
}

/** Sign-out: first the session here, in any case; then the refresh token; then the session at the provider. */
export function createLogout(
  { settings, providers, sessions, transactions, store }: LogoutContext,
  jar: CookieJar,
  cookieKeys: CookieKeys,
) {
  const { now, clockTolerance, basePath, origin, post_logout_redirect_uris, emit } = settings

  const records = createSealedRecords(cookieKeys)
  const hintOf = (id: string) => recordOf('logout-hint', id)

  /** Stores the ID Token hint, so that the page does not see it. If the store is down, sign-out works without the hint. */
  async function storeHint(id: string, id_token: string): Promise<void> {
    const value = await records.seal('logout-hint', id, { id_token })
    await store.write([{ type: 'put', id: hintOf(id), value, ifVersion: 'any', ttl: LIFETIME }]).catch(() => {})
  }

  /** The hint of a continuation; `undefined` if the continuation was used before. */
  async function consume(id: string): Promise<{ hint: string | undefined } | undefined> {
    try {
      if (!(await store.consume(recordOf('logout', id), 2 * LIFETIME))) return undefined
      const stored = await store.get(hintOf(id))
      const found = stored && (await records.open<{ id_token: string }>('logout-hint', id, stored.value))
      return { hint: found instanceof Object ? found.content.id_token : undefined }
    } catch {
      return { hint: undefined }
    }
  }

  /** Whether all sessions of the user shall end. `false` if the body cannot be read in time. */
  const wantsEverywhere = (request: PlainRequest): Promise<boolean> =>
    withTimeout(
      readParameter(request, 'everywhere').then(
        (values) => values.includes('true'),
        () => false,
      ),
      BODY_TIMEOUT,
      false,
    )

  /** Ends the other sessions of the user. Resolves to whether that succeeded. */
  async function endOthers(session: PresentSession, refreshTokens: RefreshTokenEnd): Promise<boolean> {
    try {
      if (!sessions.sessionList) return false
      await sessions.sessionList.endOthers(session, refreshTokens)
      return true
    } catch {
      emit({ type: 'store_unavailable', detail: 'the other sessions of a user who signed out could not be ended' })
      return false
    }
  }

  /**
   * Which of the configured URLs is requested: by a path of the page's origin, or by an absolute URL. `undefined`: none is requested.
   * `false`: another one.
   */
  function postLogoutTarget(request: PlainRequest, parameters: URLSearchParams): string | undefined | false {
    const [requested, ...more] = parameters.getAll('return_to')
    if (requested === undefined) return undefined
    const listed = listedUrl(requested, request.headers.get('origin') ?? origin, post_logout_redirect_uris)
    return more.length ? false : (listed ?? false)
  }

  /** Revokes the refresh token and prepares sign-out at the provider. Never rejects, because the session here has ended. */
  async function atProvider(session: SessionRecord, { refresh_token, id_token }: ProviderTokens, return_to?: string) {
    const { iss, client_id } = session
    const provider = providers.forSession(session)
    try {
      const [revocation, endSession] = await Promise.all([
        providers.revoke({ ...session, refresh_token }),
        provider?.endSessionUrl({}).then(Boolean, () => undefined),
      ])
      // It is unknown whether the user is signed in at the provider. It is down, so do not redirect the browser there.
      if (endSession === undefined || revocation === 'unreachable') return { location: null, op_session: 'unknown' }
      if (!endSession) return { location: null }
      const continuationId = randomId()
      if (id_token !== undefined) await storeHint(continuationId, id_token)
      const continuation: Continuation = {
        id: continuationId,
        iss,
        client_id,
        at: now(),
        ...(return_to && { return_to }),
      }
      const sealed = await cookieKeys.seal('logout', JSON.stringify(continuation))
      return { location: `${basePath}/logout/continue`, sealed }
    } catch {
      // The cookie keys cannot be read; an event says so.
      return { location: null, op_session: 'unknown' }
    }
  }

  return {
    /**
     * `POST /logout`: 200 with or without a session, whatever the body. With `everywhere=true` all sessions of the user end;
     * `everywhere: false` in the response means that the others could not be ended. With `local=true` in the query, nothing is done at
     * the provider. `return_to=` in the query chooses one of the configured URLs; with another one the user comes back to the first, and the
     * response has `return_to: false`. They are not parameters of the body, because the session ends before the body has arrived.
     *
     * @throws StoreError if the session cannot be read or ended: the cookie stays
     */
    async post(request: PlainRequest): Promise<PlainResponse> {
      const everywhereRequested = wantsEverywhere(request)
      const parameters = new URL(request.url).searchParams
      const local = parameters.getAll('local').includes('true')
      const target = postLogoutTarget(request, parameters)
      const refreshTokens = local ? 'keep' : 'revoke'
      const session = await sessions.read(request, false)
      const tokens = session.record && (await sessions.end(session, 'logged_out', refreshTokens))
      const everywhere = (await everywhereRequested)
        ? session.record !== undefined && (await endOthers(session, refreshTokens))
        : undefined
      const cookies = [...sessions.clear(request), ...transactions.clear(request)]
      const { sealed, ...next } =
        tokens && !local ? await atProvider(session.record, tokens, target || undefined) : { location: null }
      // The user comes back there also if nothing is to be done at the provider.
      if (target && !local) next.location ??= target
      if (target === false && session.record)
        emit({
          type: 'request_refused',
          error: 'invalid_request',
          method: 'POST',
          path: `${basePath}/logout`,
          detail:
            'return_to is not one of the configured "post_logout_redirect_uris"; the user comes back to the first',
        })
      const refused = { ...(everywhere === false && { everywhere }), ...(target === false && { return_to: false }) }
      return json({ ...next, ...refused }, [
        ...cookies,
        ...(sealed === undefined ? [] : [jar.set(jar.logout, sealed, LIFETIME)]),
      ])
    },

    /** `GET /logout/continue`: redirects a browser that has just signed out to the provider, once. */
    async continue(request: PlainRequest): Promise<PlainResponse> {
      const [value, ...more] = jar.values(request, jar.logout)
      const cookies = value === undefined ? [] : [jar.expire(jar.logout)]
      const sealed =
        value === undefined || more.length ? undefined : await openJson<Continuation>(cookieKeys, 'logout', value)
      // With a larger tolerance, the cookie could be valid for longer than its use is remembered.
      const tolerance = Math.min(clockTolerance, LIFETIME / 2)
      const known = sealed && isRecent(sealed.at, LIFETIME, now(), tolerance) && (await consume(sealed.id))
      const [defaultTarget] = post_logout_redirect_uris
      if (!known) return redirect(defaultTarget, cookies)
      const target = post_logout_redirect_uris.find((uri) => uri === sealed.return_to) ?? defaultTarget
      const provider = providers.forSession(sealed)
      const url = await provider
        ?.endSessionUrl({
          ...provider.settings.endSessionParams,
          client_id: provider.settings.client_id,
          post_logout_redirect_uri: target,
          // Some providers redirect back only if there is a `state`. The page recognizes it by its prefix and removes it from the URL.
          state: `sallyport.${randomId()}`,
          ...(known.hint !== undefined && { id_token_hint: known.hint }),
        })
        .catch(() => undefined)
      return redirect(url ?? target, cookies)
    },
  }
}
