import { createElement, type ReactNode, useEffect, useState } from 'react'
import type { LoginOptions, SallyportError, Session } from '../client/index.js'
import { mayStartSignIn } from '../client/require-auth.js'
import { useAuth, useAuthContext } from './context.js'

/** What `fallback` shows something for. */
export interface RequireAuthState {
  /**
   * - `pending`: it is not known yet who is signed in.
   * - `signing-in`: nobody is, and the page is about to leave to sign in, or a popup is open.
   * - `signed-out`: the user has signed out, here or in another tab.
   * - `cancelled`: the user came back without a sign-in: by the back button, by closing the popup, or the provider says `access_denied`.
   * - `unavailable`: backend or provider cannot be reached. The page asks again when it comes into view.
   * - `failed`: the sign-in failed otherwise; see `error`.
   */
  readonly status: 'pending' | 'signing-in' | 'signed-out' | 'cancelled' | 'unavailable' | 'failed'
  readonly session: Session<unknown>
  /** Why, with the last three. */
  readonly error: SallyportError | undefined
  /** Signs in; if the session is `unavailable`, asks the backend again. For a click: with `login={{ popup: true }}` it opens a popup. */
  readonly retry: () => void
}

export interface RequireAuthProps {
  /** Mounted only if a user is signed in. */
  children?: ReactNode
  /**
   * Shown instead of the children. A node is shown while it is not known who is signed in, and while the page leaves to sign in;
   * where the user has to do something, there is a sentence with a button. A function shows what it returns, in every state.
   * Default nothing, and that sentence.
   */
  fallback?: ReactNode | ((state: RequireAuthState) => ReactNode)
  /** Shown instead of leaving the page, when nobody is signed in, whatever the reason. */
  signedOut?: ReactNode
  /** How to sign in. */
  login?: LoginOptions
}

function statusOf(error: SallyportError): 'cancelled' | 'unavailable' | 'failed' {
  const { error: answer } = (error.cause ?? {}) as { error?: unknown }
  if (/^(cancelled|popup_closed)|access_denied$/.test(`${error.code} ${answer}`)) return 'cancelled'
  return error.retryable ? 'unavailable' : 'failed'
}

/** What is shown where the user has to do something, unless `fallback` is a function. */
const message = ({ status, error, retry }: RequireAuthState): ReactNode =>
  createElement(
    'div',
    { role: 'alert' },
    createElement(
      'p',
      null,
      status === 'signed-out' ? 'Signed out' : `Sign-in ${status}`,
      status !== 'cancelled' && error?.code && `: ${error.code}`,
    ),
    createElement('button', { type: 'button', onClick: retry }, error ? 'Try again' : 'Sign in'),
  )

/** The last sign-in of this component: no `error` while it is under way. */
interface Attempt {
  error?: SallyportError
}

/**
 * Shows its children if a user is signed in, else starts a sign-in. Not after a sign-out, which it would undo, and not after a sign-in
 * that failed, was cancelled or is not available: then it shows a sentence and a button, or what `fallback` makes of it. Nothing is thrown to an
 * error boundary. A hidden tab waits until it is visible.
 *
 * This only hides a view. Data must be protected by the API.
 */
export function RequireAuth({ children, fallback = null, signedOut, login }: RequireAuthProps): ReactNode {
  const { session } = useAuth()
  const auth = useAuthContext()
  const [attempt, setAttempt] = useState<Attempt>()
  const leaving = signedOut === undefined && mayStartSignIn(session) && !attempt?.error
  const signedIn = session.status === 'signed-in'

  function signIn() {
    setAttempt({})
    auth.login(login).then(
      () => setAttempt(undefined),
      (error) => {
        setAttempt({ error })
        // A mistake in `login`: the developer looks into the console.
        if (!error.code) reportError(error)
      },
    )
  }

  // login() leaves once, also if called twice. A new `login` object on each render must not start it again.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    // `retry` has started it in the click itself.
    if (!leaving || attempt) return
    if (!document.hidden) return signIn()
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
      signIn()
    }
    document.addEventListener('visibilitychange', onVisible, controller)
    return () => controller.abort()
  }, [auth, leaving])
  // What became of one sign-in says nothing about the next.
  useEffect(() => {
    if (signedIn) setAttempt(undefined)
  }, [signedIn])

  if (signedIn) return children
  if (session.status === 'signed-out' && signedOut !== undefined) return signedOut
  // `pending` has no error, and a session that is `unavailable` has its own.
  const { error } = (leaving || (session.status === 'signed-out' && attempt) || session) as Attempt
  const state: RequireAuthState = {
    status:
      session.status !== 'signed-out'
        ? session.status
        : error
          ? statusOf(error)
          : leaving || attempt
            ? 'signing-in'
            : 'signed-out',
    session,
    error,
    retry: () => void (session.status === 'unavailable' ? auth.ready() : signIn()),
  }
  if (typeof fallback === 'function') return fallback(state)
  return error || state.status === 'signed-out' ? message(state) : fallback
}
