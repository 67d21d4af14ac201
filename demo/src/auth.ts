import { createAuth } from 'sallyport'
import { backend, proxied } from './mode.js'

let renewals = 0
let strayAnswer = false
/** Epoch seconds; the token itself is not kept. */
let tokenExpiresAt: number | undefined
let tokenLifetime = 0

/** The complete sign-in: the backend sets the mode, and `auth.fetch()` works in both. */
export const auth = createAuth({
  ...(proxied && { bff: backend, apis: { [`${location.origin}/api/notes`]: { route: 'notes' } } }),
  onEvent(event) {
    if (event.type === 'token_renewed') renewals++
    if (event.type === 'callback_failed') strayAnswer = true
  },
})

/** Whether a sign-in response was ignored; true once. */
export function takeStrayAnswer(): boolean {
  const was = strayAnswer
  strayAnswer = false
  return was
}

/**
 * Decodes the token in memory, for the clock in the page; in proxy mode there is none. Access tokens are for the API only: the demo decodes them
 * to show the remaining time, and an app should not.
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
