import { createAuth } from 'sallyport'
import { backend, proxied } from './mode.js'

let renewals = 0
let strayAnswer = false
/** Epoch seconds; of the token itself nothing is kept. */
let tokenExpiresAt: number | undefined
let tokenLifetime = 0

/** The whole of the sign-in: the backend says which mode it is in, and `auth.fetch()` does what that needs. */
export const auth = createAuth({
  ...(proxied && { bff: backend, apis: { [`${location.origin}/api/notes`]: { route: 'notes' } } }),
  onEvent(event) {
    if (event.type === 'token_renewed') renewals++
    if (event.type === 'callback_failed') strayAnswer = true
  },
})

/** Whether a sign-in's answer came that led to nothing; true once. */
export function takeStrayAnswer(): boolean {
  const was = strayAnswer
  strayAnswer = false
  return was
}

/**
 * Looks at the token in memory, for the clock in the page; in proxy mode there is none. An API's own token is nobody else's to read: the demo looks
 * because it shows how time runs out, and an app has no reason to.
 */
export async function lookAtToken(): Promise<void> {
  tokenExpiresAt = undefined
  try {
    const { exp, iat } = payloadOf(await auth.getToken({ minValidity: 0 }))
    tokenExpiresAt = exp
    tokenLifetime = exp - iat
  } catch {}
}

function payloadOf(token: string): { exp: number; iat: number } {
  const [, payload = ''] = token.split('.')
  return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
}

/** What the card shows about the token: never the token. */
export const tokenClock = () => ({
  renewals,
  lifetime: tokenLifetime,
  left: tokenExpiresAt === undefined ? undefined : Math.max(0, tokenExpiresAt - Date.now() / 1000),
})
