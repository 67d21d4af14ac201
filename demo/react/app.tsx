import { useEffect } from 'react'
import { Link, Outlet, useMatches } from 'react-router'
import { RequireAuth, type RequireAuthState, useAuth, useUser } from 'sallyport/react'
import { Notes } from './notes.js'

const appName = 'Fieldnotes in React'

/** Around every route. The title is that of the innermost one, so that a tab, the history and a screen reader tell where they are. */
export function Layout() {
  const { title } = (useMatches().at(-1)?.handle ?? {}) as { title?: string }
  useEffect(() => {
    document.title = title ? `${title} · ${appName}` : appName
  }, [title])
  return (
    <>
      <header className="top">
        <p className="brand">
          <Link to="/">{appName}</Link>
        </p>
        <Person />
      </header>
      <main>
        <Outlet />
      </main>
      <footer className="foot">
        <p>
          The same backend, the same session as <a href="/">the other page</a>.
        </p>
      </footer>
    </>
  )
}

export const Pending = () => <p className="pending">One moment …</p>

/** Notes for signed-in users, and a welcome for all others. */
export const Home = () => (
  <RequireAuth fallback={Instead} signedOut={<Welcome />}>
    <Notes />
  </RequireAuth>
)

/** The loader of its route has sent all others to sign in. This shows what to do when that is not possible, or later. */
export const Account = () => (
  <RequireAuth fallback={Instead} login={{ prompt: 'consent' }}>
    <Claims />
  </RequireAuth>
)

function Claims() {
  const user = useUser()
  return (
    <section className="card" aria-labelledby="title">
      <h1 id="title">Your account</h1>
      <p>
        {user?.name}, {user?.email}
      </p>
    </section>
  )
}

/** What there is to say in each state, and what to do. */
const words: Record<RequireAuthState['status'], [title: string, button: string]> = {
  pending: ['One moment …', ''],
  'signing-in': ['One moment …', ''],
  'signed-out': ['You have signed out', 'Sign in again'],
  cancelled: ['You did not finish signing in', 'Sign in'],
  unavailable: ['We cannot reach the server', 'Try again'],
  failed: ['Signing in did not work', 'Try again'],
}

function Instead({ status, error, retry }: RequireAuthState) {
  const [title, label] = words[status]
  if (!label) return <Pending />
  return (
    <section className="hero" role={error && 'alert'}>
      <h1>{title}</h1>
      {status === 'failed' && <p className="notice">Sign-in failed: {error?.code}</p>}
      <p>
        <button type="button" className="primary big" onClick={retry}>
          {label}
        </button>
      </p>
    </section>
  )
}

function Person() {
  const { logout } = useAuth()
  const user = useUser()
  if (!user) return null
  return (
    <div className="who">
      <p>
        <Link to="/account">{user.name}</Link>
      </p>
      <button type="button" onClick={() => logout({ returnTo: '/react/goodbye' }).catch(() => {})}>
        Sign out
      </button>
    </div>
  )
}

function Welcome() {
  const { login, session } = useAuth()
  const failed = session.status === 'signed-out' && session.error
  return (
    <section className="hero">
      <h1>Notes that stay yours</h1>
      {failed && (
        <p role="alert" className="notice">
          Sign-in failed: {failed.code}
        </p>
      )}
      <p>
        <button type="button" className="primary big" onClick={() => login({ prompt: 'consent' }).catch(() => {})}>
          Sign in
        </button>
      </p>
    </section>
  )
}

const Notice = ({ title }: { title: string }) => (
  <section className="hero">
    <h1>{title}</h1>
    <p>
      <Link to="/">Back to the start</Link>
    </p>
  </section>
)

export const Goodbye = () => <Notice title="You are signed out" />

export const NotFound = () => <Notice title="There is nothing here" />
