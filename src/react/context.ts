import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useInsertionEffect,
  useMemo,
  useSyncExternalStore,
} from 'react'
import type { Auth, RegisteredClaims, Session } from '../client/index.js'

const Context = createContext<Auth<unknown> | undefined>(undefined)

const pending: Session<never> = { status: 'pending' }

export interface AuthProviderProps {
  /** What `createAuth()` returned, once, outside of any component. */
  auth: Auth<unknown>
  children?: ReactNode
}

/** An authorization response in the URL, as far as it can be told without `redirect_uri`: `auth.ready()` reads it in full. */
const isCallback = () => /[?&]state=/.test(location.search)

/**
 * Gives `auth` to the components below. It makes no request: the first component that reads the session does. Only if the page
 * has just come back from the provider, it finishes the sign-in: a router without a route for `redirect_uri` mounts nothing that would.
 */
export function AuthProvider({ auth, children }: AuthProviderProps): ReactNode {
  // Before the effects of the components below: a router may replace the URL there (`<Navigate>`), and the code would be gone.
  useInsertionEffect(() => {
    if (isCallback()) auth.ready()
  }, [auth])
  return createElement(Context.Provider, { value: auth }, children)
}

/** `auth` itself, without its session. @throws TypeError without an `AuthProvider` above */
export function useAuthContext<Claims>(): Auth<Claims> {
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
