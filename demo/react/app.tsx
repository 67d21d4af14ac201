import { RequireAuth, useAuth, useUser } from 'sallyport/react'
import { Notes } from './notes.js'

export const App = () => (
  <>
    <header className="top">
      <p className="brand">Fieldnotes in React</p>
      <Person />
    </header>
    <main>
      <RequireAuth fallback={<p className="pending">One moment …</p>} signedOut={<Welcome />}>
        <Notes />
      </RequireAuth>
    </main>
    <footer className="foot">
      <p>
        The same backend, the same session as <a href="/">the other page</a>.
      </p>
    </footer>
  </>
)

function Person() {
  const { logout } = useAuth()
  const user = useUser()
  if (!user) return null
  return (
    <div className="who">
      <p>{user.name}</p>
      <button type="button" onClick={() => logout().catch(() => {})}>
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
