import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import { createAuth } from 'sallyport'
import { AuthProvider, RequireAuth, useUser } from 'sallyport/react'

/** A view that is for people who are signed in; whoever is not is sent to sign in. */
const Greeting = () => createElement('p', null, `Hello ${useUser()?.name}`)

const auth = createAuth()
const root = document.getElementById('root')
if (root)
  createRoot(root).render(
    createElement(AuthProvider, { auth }, createElement(RequireAuth, null, createElement(Greeting))),
  )
