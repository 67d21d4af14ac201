import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createAuth } from 'sallyport'
import { AuthProvider } from 'sallyport/react'
import { App } from './app.js'

/** Once, outside of any component: the session belongs to the whole page. */
const auth = createAuth({ redirect_uri: '/react/callback' })

const container = document.getElementById('app')
if (container)
  createRoot(container).render(
    <StrictMode>
      <AuthProvider auth={auth}>
        <App />
      </AuthProvider>
    </StrictMode>,
  )
