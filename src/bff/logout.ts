import { randomId } from '../crypto/hash.js'
import { json, redirect } from './answers.js'
import type { CookieJar } from './cookie-jar.js'
import { shortId } from './events.js'
import { type Keyring, openJson } from './keyring.js'
import type { Parts } from './parts.js'

/** What goes to the provider's end-session page. The hint stays here; only `id` travels. */
interface Continuation {
  id: string
  at: number
}

/** Seconds between the answer and the navigation that follows it. */
const LIFETIME = 120

export type Logout = ReturnType<typeof createLogout>

/** Sign-out: here first and in any case, then the refresh token, then the provider's own session. */
export function createLogout({ settings, provider, sessions, transactions }: Parts, jar: CookieJar, keyring: Keyring) {
  const { now, basePath, client_id, post_logout_redirect_uri, emit } = settings
  const hints = new Map<string, { hint: string | undefined; at: number; used: boolean }>()

  return {
    /** `POST /logout`. Answers 200 with or without a session. */
    async post(request: Request): Promise<Response> {
      const present = await sessions.read(request, false)
      const cookies = [...sessions.clear(request), ...transactions.clear(request)]
      if (!present.record) return json({ location: null }, cookies)
      const { refresh_token, id_token } = await sessions.end(present, 'logged_out')
      const [revocation, endSession] = await Promise.all([
        refresh_token === undefined ? 'done' : provider.revoke(refresh_token),
        provider.endSessionUrl({}).then(Boolean, () => undefined),
      ])
      if (revocation !== 'done') emit({ type: 'revocation_failed', session: shortId(present.record.id) })
      // Signed out here; whether the provider still knows the person cannot be said, or it has no page for it. One that
      // did not answer just now would leave the person with the browser's own error page.
      const unknown = endSession === undefined || revocation === 'unreachable'
      if (!endSession || unknown) return json({ location: null, ...(unknown && { op_session: 'unknown' }) }, cookies)
      const id = randomId()
      for (const [old, { at }] of hints) if (now() - at > LIFETIME) hints.delete(old)
      hints.set(id, { hint: id_token, at: now(), used: false })
      const sealed = await keyring.seal('logout', JSON.stringify({ id, at: now() } satisfies Continuation))
      return json({ location: `${basePath}/logout/continue` }, [...cookies, jar.set(jar.logout, sealed, LIFETIME)])
    },

    /** `GET /logout/continue`: a navigation, good once, for the browser that has just signed out. */
    async continue(request: Request): Promise<Response> {
      const [value, ...more] = jar.values(request, jar.logout)
      const cookies = value === undefined ? [] : [jar.expire(jar.logout)]
      const sealed =
        value === undefined || more.length ? undefined : await openJson<Continuation>(keyring, 'logout', value)
      const known = sealed && hints.get(sealed.id)
      // Used or too old. One that another process has begun goes on, without a hint.
      if (!sealed || known?.used || now() - sealed.at > LIFETIME) return redirect(post_logout_redirect_uri, cookies)
      if (known) known.used = true
      const url = await provider
        .endSessionUrl({
          client_id,
          post_logout_redirect_uri,
          // Some providers come back only with one.
          state: randomId(),
          ...(known?.hint !== undefined && { id_token_hint: known.hint }),
        })
        .catch(() => undefined)
      return redirect(url ?? post_logout_redirect_uri, cookies)
    },
  }
}
