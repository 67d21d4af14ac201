import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from 'react'
import type { Auth, LoginOptions, RegisteredClaims, Session } from '../client/index.js'

const Context = createContext<Auth<unknown> | undefined>(undefined)

const pending: Session<never> = { status: 'pending' }

export interface AuthProviderProps {
  /** What `createAuth()` returned, once, outside of any component. */
  auth: Auth<unknown>
  children?: ReactNode
}

/** Gives `auth` to the components below. It makes no request: the first component that reads the session does. */
export const AuthProvider = ({ auth, children }: AuthProviderProps): ReactNode =>
  createElement(Context.Provider, { value: auth }, children)

function useAuthContext<Claims>(): Auth<Claims> {
  const auth = useContext(Context)
  if (!auth) throw new TypeError('useAuth: no <AuthProvider auth={…}> is above this component')
  return auth as Auth<Claims>
}

/**
 * `auth`, with the `session` of this render: the component renders again when it changes. The same object until then, so it
 * can be in dependency lists. During server rendering and hydration the session is `pending`.
 *
 * @typeParam Claims as of `createAuth<Claims>()`; default: those of `Register`. Not checked
 * @throws TypeError without an `AuthProvider` above
 */
export function useAuth<Claims = RegisteredClaims>(): Auth<Claims> {
  const auth = useAuthContext<Claims>()
  const session = useSyncExternalStore(
    auth.subscribe,
    () => auth.session,
    () => pending,
  )
  return useMemo(() => ({ ...auth, session }), [auth, session])
}

/** The claims of the user who is signed in; `undefined` if nobody is, or if it is not known. */
export function useUser<Claims = RegisteredClaims>(): Claims | undefined {
  const { session } = useAuth<Claims>()
  return session.status === 'signed-in' ? session.user : undefined
}

export interface RequireAuthProps {
  /** Mounted only if a user is signed in. */
  children?: ReactNode
  /** Shown while it is not known who is signed in, and while the page leaves to sign in. Default nothing. */
  fallback?: ReactNode
  /** Shown instead of leaving the page, when nobody is signed in. */
  signedOut?: ReactNode
  /** How to sign in. */
  login?: LoginOptions
}

/** Not after a sign-out, which it would undo, nor after a failed sign-in, which would fail again. A superseded sign-in may start again. */
const mayStartSignIn = (session: Session<unknown>): boolean =>
  session.status === 'signed-out' &&
  session.reason !== 'logged_out' &&
  (session.reason !== 'callback_failed' || session.error?.code === 'sign_in_superseded')

/**
 * Shows its children if a user is signed in, else starts a sign-in. Not after a sign-out, which it would undo, and not after
 * a failed sign-in: its error is thrown to the error boundary above, as are those of `login()`. A hidden tab waits until it
 * is visible.
 *
 * This only hides a view. Data must be protected by the API.
 */
export function RequireAuth({ children, fallback = null, signedOut, login }: RequireAuthProps): ReactNode {
  const { session } = useAuth()
  const auth = useAuthContext()
  const leaving = signedOut === undefined && mayStartSignIn(session)
  const [failure, setFailure] = useState<unknown>()
  // login() leaves once, also if called twice. A new `login` object on each render must not start it again.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (!leaving) return
    const leave = () => void auth.login(login).catch((error) => error.code !== 'cancelled' && setFailure(error))
    if (!document.hidden) return leave()
    // A hidden tab waits until it is visible: the user may sign in in another tab before.
    const controller = new AbortController()
    let reading = false
    const onVisible = async () => {
      if (document.hidden || reading) return
      reading = true
      const now = await auth.extend({ touch: false }).catch(() => auth.session)
      reading = false
      if (controller.signal.aborted || !mayStartSignIn(now)) return
      controller.abort()
      leave()
    }
    document.addEventListener('visibilitychange', onVisible, controller)
    return () => controller.abort()
  }, [auth, leaving])
  if (failure && leaving) throw failure
  if (session.status === 'signed-in') return children
  if (session.status !== 'signed-out') return fallback
  if (signedOut !== undefined) return signedOut
  if (session.error && !leaving) throw session.error
  return fallback
}
