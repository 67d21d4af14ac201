import { randomId } from '../crypto/hash.js'
import type { Answer, Asked } from '../protocol/answer.js'
import { json, redirect } from './answers.js'
import type { CookieJar } from './cookie-jar.js'
import { Refusal } from './errors.js'
import { shortId } from './events.js'
import { one, readForm } from './form.js'
import { type Keyring, openJson } from './keyring.js'
import type { Parts } from './parts.js'
import { recordOf } from './stored-session.js'

/** What goes to the provider's end-session page. The hint stays here; only `id` travels. */
interface Continuation {
  id: string
  iss: string
  at: number
}

/** Seconds between the answer and the navigation that follows it. */
const LIFETIME = 120

export type Logout = ReturnType<typeof createLogout>

/** Sign-out: here first and in any case, then the refresh token, then the provider's own session. */
export function createLogout(
  { settings, providers, sessions, transactions, store }: Parts,
  jar: CookieJar,
  keyring: Keyring,
) {
  const { now, basePath, post_logout_redirect_uri, emit } = settings

  const hintOf = (id: string) => recordOf('logout-hint', id)

  /** The hint does not pass through the page. A store that is out of reach costs the hint, not the sign-out. */
  async function remember(id: string, id_token: string): Promise<void> {
    const value = await keyring.seal('logout-hint', JSON.stringify({ of: id, id_token }))
    await store.write([{ type: 'put', id: hintOf(id), value, ifVersion: 'any', ttl: LIFETIME }]).catch(() => {})
  }

  /** The hint of a continuation that has not been used; `undefined` for one that has. */
  async function use(id: string): Promise<{ hint: string | undefined } | undefined> {
    try {
      if (!(await store.consume(recordOf('logout', id), LIFETIME))) return undefined
      const stored = await store.get(hintOf(id))
      const opened = stored && (await openJson<{ of: string; id_token: string }>(keyring, 'logout-hint', stored.value))
      return { hint: opened?.of === id ? opened.id_token : undefined }
    } catch {
      return { hint: undefined }
    }
  }

  return {
    /** `POST /logout`. Answers 200 with or without a session. `everywhere=true` ends all sessions of the person. */
    async post(request: Asked): Promise<Answer> {
      // Whatever else is said here, nobody is kept signed in for it.
      const everywhere = one(await readForm(request, 'any'), 'everywhere') === 'true'
      const present = await sessions.read(request, false)
      if (everywhere && !sessions.directory)
        throw new Refusal('invalid_request', { description: 'To sign out everywhere, the backend needs a "store".' })
      const cookies = [...sessions.clear(request), ...transactions.clear(request)]
      if (!present.record) return json({ location: null }, cookies)
      // The others first: should the store fail in between, the person is still signed in here and can try again.
      if (everywhere) await sessions.directory?.endOthers(present)
      const { refresh_token, id_token } = await sessions.end(present, 'logged_out')
      const { iss } = present.record
      const provider = providers.of(iss)
      const [revocation, endSession] = await Promise.all([
        refresh_token === undefined ? 'done' : provider?.revoke(refresh_token),
        provider?.endSessionUrl({}).then(Boolean, () => undefined),
      ])
      if (revocation !== 'done') emit({ type: 'revocation_failed', session: shortId(present.record.id) })
      // Signed out here; whether the provider still knows the person cannot be said, or it has no page for it. One that
      // did not answer just now would leave the person with the browser's own error page.
      const unknown = endSession === undefined || revocation === 'unreachable'
      if (!endSession || unknown) return json({ location: null, ...(unknown && { op_session: 'unknown' }) }, cookies)
      const id = randomId()
      if (id_token !== undefined) await remember(id, id_token)
      const sealed = await keyring.seal('logout', JSON.stringify({ id, iss, at: now() } satisfies Continuation))
      return json({ location: `${basePath}/logout/continue` }, [...cookies, jar.set(jar.logout, sealed, LIFETIME)])
    },

    /** `GET /logout/continue`: a navigation, good once, for the browser that has just signed out. */
    async continue(request: Asked): Promise<Answer> {
      const [value, ...more] = jar.values(request, jar.logout)
      const cookies = value === undefined ? [] : [jar.expire(jar.logout)]
      const sealed =
        value === undefined || more.length ? undefined : await openJson<Continuation>(keyring, 'logout', value)
      const known = sealed && now() - sealed.at <= LIFETIME && (await use(sealed.id))
      if (!known) return redirect(post_logout_redirect_uri, cookies)
      const provider = providers.of(sealed.iss)
      const url = await provider
        ?.endSessionUrl({
          client_id: provider.settings.client_id,
          post_logout_redirect_uri,
          // Some providers come back only with one.
          state: randomId(),
          ...(known.hint !== undefined && { id_token_hint: known.hint }),
        })
        .catch(() => undefined)
      return redirect(url ?? post_logout_redirect_uri, cookies)
    },
  }
}
