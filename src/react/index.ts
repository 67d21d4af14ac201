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

/** Hands `auth` to the components below. Starts nothing: the first component that asks who is here does. */
export const AuthProvider = ({ auth, children }: AuthProviderProps): ReactNode =>
  createElement(Context.Provider, { value: auth }, children)

function useInstance<Claims>(): Auth<Claims> {
  const auth = useContext(Context)
  if (!auth) throw new TypeError('useAuth: no <AuthProvider auth={…}> is above this component')
  return auth as Auth<Claims>
}

/**
 * `auth`, with `session` as of this render: the component renders again when it changes. The same object until then, so
 * it fits dependency lists. While a server renders, and while its page is taken over, everybody is `pending`.
 *
 * @typeParam Claims as of `createAuth<Claims>()`; by default those of `Register`. Nothing checks it
 * @throws TypeError without an `AuthProvider` above
 */
export function useAuth<Claims = RegisteredClaims>(): Auth<Claims> {
  const auth = useInstance<Claims>()
  const session = useSyncExternalStore(
    auth.subscribe,
    () => auth.session,
    () => pending,
  )
  return useMemo(() => ({ ...auth, session }), [auth, session])
}

/** The claims of whoever is signed in; `undefined` while nobody is, or nobody knows. */
export function useUser<Claims = RegisteredClaims>(): Claims | undefined {
  const { session } = useAuth<Claims>()
  return session.status === 'signed-in' ? session.user : undefined
}

export interface RequireAuthProps {
  /** Shown to whoever is signed in, and mounted for nobody else. */
  children?: ReactNode
  /** Shown while nobody knows, while the backend cannot be asked, and while the page leaves to sign in. Default nothing. */
  fallback?: ReactNode
  /** Shown instead of leaving the page, when nobody is signed in. */
  signedOut?: ReactNode
  /** How to sign in. */
  login?: LoginOptions
}

/** A sign-out would be undone by it, and a sign-in that failed fails again; one that others have overtaken may be begun anew. */
const isToSignIn = (session: Session<unknown>): boolean =>
  session.status === 'signed-out' &&
  session.reason !== 'logged_out' &&
  (session.reason !== 'callback_failed' || session.error?.code === 'sign_in_superseded')

/**
 * Shows its children to whoever is signed in, and sends everybody else to sign in. Not after a sign-out, which would undo
 * it, and not after a sign-in that failed: its error is thrown to the error boundary above, as are those of `login()`. A
 * hidden tab waits until it is looked at.
 *
 * This hides a view. What is worth protecting is protected where it comes from: by the API.
 */
export function RequireAuth({ children, fallback = null, signedOut, login }: RequireAuthProps): ReactNode {
  const { session } = useAuth()
  const auth = useInstance()
  const leaving = signedOut === undefined && isToSignIn(session)
  const [failure, fail] = useState<unknown>()
  // Called twice it leaves once. `login` may be written in place: a new object is no new wish.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (!leaving) return
    const leave = () => void auth.login(login).catch((error) => error.code !== 'cancelled' && fail(error))
    if (!document.hidden) return leave()
    // One of many tabs, perhaps: it waits until it is looked at, and somebody may have signed in meanwhile in another one.
    const gone = new AbortController()
    let asking = false
    const onView = async () => {
      if (document.hidden || asking) return
      asking = true
      const now = await auth.extend({ touch: false }).catch(() => auth.session)
      asking = false
      if (gone.signal.aborted || !isToSignIn(now)) return
      gone.abort()
      leave()
    }
    document.addEventListener('visibilitychange', onView, gone)
    return () => gone.abort()
  }, [auth, leaving])
  if (failure && leaving) throw failure
  if (session.status === 'signed-in') return children
  if (session.status !== 'signed-out') return fallback
  if (signedOut !== undefined) return signedOut
  if (session.error && !leaving) throw session.error
  return fallback
}
