import { absoluteUrl } from './absolute-url.js'
import type { Auth, AuthOptions } from './types.js'

/** Milliseconds within which the app should have called a function that finishes the sign-in. */
const TIME_TO_FINISH = 3000

/** The members of `auth` that finish a sign-in. */
const finishing = /^(ready|subscribe|getToken|fetch)$/

const remedy =
  'Put <AuthProvider> outside of the router, or call auth.ready() before the router is created. See docs/page.md#routers'

/**
 * In development, if this page load is a callback: warns if nothing uses `auth` within three seconds, or if a router has replaced the URL
 * before. Nothing of the URL's query is printed.
 */
export function withCallbackWarning<Claims>(
  auth: Auth<Claims>,
  options: Pick<AuthOptions<Claims>, 'redirect_uri'>,
): Auth<Claims> {
  if (typeof document === 'undefined') return auth
  const redirect_uri = absoluteUrl(options, 'redirect_uri', '/callback')
  const isCallback = () =>
    location.origin + location.pathname === redirect_uri && /(?=.*[?&]state=).*[?&](code|error)=/.test(location.search)
  if (!isCallback()) return auth
  let decided = false
  const decide = (problem: string | false) => {
    if (!decided && problem)
      console.warn(`sallyport: the sign-in that came back to ${redirect_uri} is not finished: ${problem} ${remedy}`)
    decided = true
  }
  setTimeout(
    decide,
    TIME_TO_FINISH,
    'nothing has called auth.ready(). A router without a route for "redirect_uri" mounts no component that does.',
  )
  return new Proxy(auth, {
    get(target, name) {
      if (finishing.test(String(name))) decide(!isCallback() && 'a router has replaced the URL before auth.ready().')
      return Reflect.get(target, name)
    },
  })
}
