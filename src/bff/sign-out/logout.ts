import { randomId } from '../../crypto/hash.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { isRecent } from '../../protocol/time.js'
import { withTimeout } from '../../protocol/timeout.js'
import type { BffContext } from '../context.js'
import { shortId } from '../events.js'
import { json, redirect } from '../http/answers.js'
import type { CookieJar } from '../http/cookies.js'
import { readParameter } from '../http/form.js'
import { type CookieKeys, openJson } from '../sealing/cookie-keys.js'
import { createSealedRecords } from '../sealing/sealed-records.js'
import type { SessionRecord } from '../sessions/session-record.js'
import type { PresentSession, ProviderTokens } from '../sessions/sessions.js'
import { recordOf } from '../store/record-id.js'

/** What goes to the provider's end-session page. The hint stays here; only `id` travels. */
interface Continuation {
  id: string
  iss: string
  client_id: string
  at: number
}

/** Seconds between the answer and the navigation that follows it. */
const LIFETIME = 120
/** Seconds that a body is waited for: it comes with its headers, or somebody holds it back. */
const BODY_TIMEOUT = 3

/** Whose cookies go with a sign-out. */
interface ClearsCookies {
  clear(request: PlainRequest): readonly string[]
}

export type Logout = ReturnType<typeof createLogout>

/** Sign-out: here first and in any case, then the refresh token, then the provider's own session. */
export function createLogout(
  { settings, providers, sessions, transactions, store }: BffContext & { transactions: ClearsCookies },
  jar: CookieJar,
  cookieKeys: CookieKeys,
) {
  const { now, clockTolerance, basePath, post_logout_redirect_uri, emit } = settings

  const records = createSealedRecords(cookieKeys)
  const hintOf = (id: string) => recordOf('logout-hint', id)

  /** The hint does not pass through the page. A store that is out of reach costs the hint, not the sign-out. */
  async function storeHint(id: string, id_token: string): Promise<void> {
    const value = await records.seal('logout-hint', id, { id_token })
    await store.write([{ type: 'put', id: hintOf(id), value, ifVersion: 'any', ttl: LIFETIME }]).catch(() => {})
  }

  /** The hint of a continuation that has not been used; `undefined` for one that has. */
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

  /** Whether all of the person's sessions are to end. A body that cannot be read, or is too long in coming, says nothing. */
  const wantsEverywhere = (request: PlainRequest): Promise<boolean> =>
    withTimeout(
      readParameter(request, 'everywhere').then(
        (values) => values.includes('true'),
        () => false,
      ),
      BODY_TIMEOUT,
      false,
    )

  /** Ends the person's other sessions. Resolves to whether that was done. */
  async function endOthers(session: PresentSession): Promise<boolean> {
    try {
      if (!sessions.sessionList) return false
      await sessions.sessionList.endOthers(session)
      return true
    } catch {
      emit({ type: 'store_unavailable', detail: 'the other sessions of somebody who signed out could not be ended' })
      return false
    }
  }

  /** What is left to do at the provider, and where to go for it. Never rejects: whoever is here has signed out already. */
  async function atProvider(session: SessionRecord, { refresh_token, id_token }: ProviderTokens) {
    const { id, iss, client_id } = session
    const provider = providers.forSession(session)
    try {
      const [revocation, endSession] = await Promise.all([
        refresh_token === undefined ? 'done' : provider?.revoke(refresh_token),
        provider?.endSessionUrl({}).then(Boolean, () => undefined),
      ])
      if (revocation !== 'done') emit({ type: 'revocation_failed', session: shortId(id) })
      // Whether the provider still knows the person cannot be said. One that did not answer just now would leave them with
      // the browser's own error page.
      if (endSession === undefined || revocation === 'unreachable') return { location: null, op_session: 'unknown' }
      if (!endSession) return { location: null }
      const continuationId = randomId()
      if (id_token !== undefined) await storeHint(continuationId, id_token)
      const continuation: Continuation = { id: continuationId, iss, client_id, at: now() }
      const sealed = await cookieKeys.seal('logout', JSON.stringify(continuation))
      return { location: `${basePath}/logout/continue`, sealed }
    } catch {
      // The cookie keys are out of reach, which has been told.
      return { location: null, op_session: 'unknown' }
    }
  }

  return {
    /**
     * `POST /logout`. Answers 200 with or without a session, whatever the body says: who is here is signed out first. With
     * `everywhere=true` all sessions of the person end; `everywhere: false` says that the others were not ended.
     *
     * @throws StoreError: the session can neither be read nor ended, the cookie stays, nothing has been pretended
     */
    async post(request: PlainRequest): Promise<PlainResponse> {
      const everywhereRequested = wantsEverywhere(request)
      const session = await sessions.read(request, false)
      const tokens = session.record && (await sessions.end(session, 'logged_out'))
      const everywhere = (await everywhereRequested)
        ? session.record !== undefined && (await endOthers(session))
        : undefined
      const cookies = [...sessions.clear(request), ...transactions.clear(request)]
      const { sealed, ...next } = tokens ? await atProvider(session.record, tokens) : { location: null }
      return json({ ...next, ...(everywhere === false && { everywhere }) }, [
        ...cookies,
        ...(sealed === undefined ? [] : [jar.set(jar.logout, sealed, LIFETIME)]),
      ])
    },

    /** `GET /logout/continue`: a navigation, good once, for the browser that has just signed out. */
    async continue(request: PlainRequest): Promise<PlainResponse> {
      const [value, ...more] = jar.values(request, jar.logout)
      const cookies = value === undefined ? [] : [jar.expire(jar.logout)]
      const sealed =
        value === undefined || more.length ? undefined : await openJson<Continuation>(cookieKeys, 'logout', value)
      // With a larger tolerance it could outlive what is kept of its use.
      const tolerance = Math.min(clockTolerance, LIFETIME / 2)
      const known = sealed && isRecent(sealed.at, LIFETIME, now(), tolerance) && (await consume(sealed.id))
      if (!known) return redirect(post_logout_redirect_uri, cookies)
      const provider = providers.forSession(sealed)
      const url = await provider
        ?.endSessionUrl({
          client_id: provider.settings.client_id,
          post_logout_redirect_uri,
          // Some providers come back only with one. By its name the page knows whose it is, and takes it out of the URL.
          state: `sallyport.${randomId()}`,
          ...(known.hint !== undefined && { id_token_hint: known.hint }),
        })
        .catch(() => undefined)
      return redirect(url ?? post_logout_redirect_uri, cookies)
    },
  }
}
