import type { RegisteredClaims } from '../protocol/claims.js'
import type { AuthError } from './errors.js'
import type { Auth, LoginOptions, Session } from './types.js'

/**
 * Whether a view may start a sign-in by itself. Not after a sign-out, which it would undo, nor after a failed sign-in, which
 * would fail again. A superseded sign-in may start again.
 */
export const mayStartSignIn = (session: Session<unknown>): boolean =>
  session.status === 'signed-out' &&
  session.reason !== 'logged_out' &&
  (session.reason !== 'callback_failed' || session.error?.code === 'sign_in_superseded')

export interface RouteAuthOptions {
  /** How to sign in. Default `returnTo`: the route that is loaded. */
  login?: LoginOptions
}

/** What React Router passes to a loader (`request`), and TanStack Router to `beforeLoad` (the others). */
export interface RouteArguments {
  readonly request?: Request
  readonly location?: { readonly href: string }
  readonly abortController?: AbortController
  /** The route is only loaded in advance: no sign-in is started. */
  readonly preload?: boolean
}

/**
 * Makes the function that a loader or `beforeLoad` awaits first. It resolves to the session if a user is signed in. If nobody is, it leaves
 * the page to sign in, and the user comes back to this route.
 *
 * It also resolves to the session where it is for the route to decide: if backend or provider are `unavailable` (its loader may show what needs nobody), and after
 * a sign-out or a failed sign-in, where `<RequireAuth>` of `sallyport/react` in the route shows what to do. So look at `session.status` before you
 * use `session.user`. On a server, the session is `pending`.
 *
 * This only keeps a view from loading. Data must be protected by the API.
 *
 * @throws SallyportError what {@link Auth.login} rejects with, unless it is `retryable`; the reason of the signal, if the navigation was aborted
 */
export function requireAuth<Claims = RegisteredClaims>(
  auth: Auth<Claims>,
  { login }: RouteAuthOptions = {},
): (route?: RouteArguments) => Promise<Session<Claims>> {
  return async ({ request, location, abortController, preload } = {}) => {
    const session = await auth.ready()
    const navigation = request ?? abortController
    navigation?.signal.throwIfAborted()
    if (preload || !mayStartSignIn(session)) return session
    const returnTo = request?.url ?? location?.href
    await auth.login({ ...(returnTo !== undefined && { returnTo }), ...login }).catch((error: AuthError) => {
      if (!error.retryable) throw error
    })
    return auth.session
  }
}
