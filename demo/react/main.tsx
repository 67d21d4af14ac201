import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createBrowserRouter, RouterProvider } from 'react-router'
import { AuthProvider } from 'sallyport/react'
import { Account, Goodbye, Home, Layout, NotFound, Pending } from './app.js'
import { auth, signedIn } from './auth.js'

const router = createBrowserRouter(
  [
    {
      element: <Layout />,
      hydrateFallbackElement: <Pending />,
      children: [
        { index: true, element: <Home />, handle: { title: 'Your notes' } },
        // The provider sends users here. `AuthProvider` finishes the sign-in, and the router goes on to where it began.
        { path: 'callback', element: <Pending />, handle: { title: 'Signing in' } },
        { path: 'account', loader: signedIn, element: <Account />, handle: { title: 'Your account' } },
        { path: 'goodbye', element: <Goodbye />, handle: { title: 'Signed out' } },
        { path: '*', element: <NotFound />, handle: { title: 'Not found' } },
      ],
    },
  ],
  { basename: '/react' },
)

const container = document.getElementById('app')
if (container)
  createRoot(container).render(
    <StrictMode>
      <AuthProvider auth={auth}>
        <RouterProvider router={router} />
      </AuthProvider>
    </StrictMode>,
  )
