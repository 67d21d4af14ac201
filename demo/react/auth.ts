import { createAuth, requireAuth } from 'sallyport'

/** Once, outside of any component: the session belongs to the whole page. */
export const auth = createAuth({ redirect_uri: '/react/callback' })

/** For the loaders of routes that need a user: leaves the page to sign in, if nobody is signed in. */
export const signedIn = requireAuth(auth, { login: { prompt: 'consent' } })
