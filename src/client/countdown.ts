import type { Auth } from './types.js'

export interface CountdownOptions {
  /** Seconds before the end from which the listener is told. Default 60. */
  warn?: number
  /**
   * Whether a person who clicks, types, scrolls or touches keeps the session going, in all tabs: at most one request in
   * 30 seconds, in the last seconds at most one in 5. `false`: only your own `auth.extend()` does. Default `true`.
   */
  activity?: boolean
  /** The clock, epoch seconds. Default: the page's own. */
  now?: () => number
}

/** Milliseconds between two extensions by activity: as a rule, and while the end is near. */
const REST = { far: 30_000, near: 5000 }

const signs = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const

/**
 * Tells when a session is about to end, so that an app can say "you will be signed out in 42 s". `listener` gets the whole
 * seconds that are left, once a second from `warn` on, and `undefined` when there is no reason to worry any more. At 0 the
 * backend is asked; whoever cannot reach it is not signed out here.
 *
 * @returns ends it
 */
export function watchCountdown(
  auth: Pick<Auth<unknown>, 'session' | 'extend' | 'subscribe'>,
  listener: (secondsLeft: number | undefined) => void,
  { warn = 60, activity = true, now = () => Date.now() / 1000 }: CountdownOptions = {},
): () => void {
  const stopping = new AbortController()
  let told: number | undefined
  // The page has just been loaded, which the backend has seen and the other tabs have not.
  let extendedAt = performance.now() - REST.far + REST.near
  let askedAtEnd = false

  const left = (): number | undefined => {
    const { session } = auth
    return session.status === 'signed-in' && session.expiresAt !== null ? session.expiresAt - now() : undefined
  }

  function extend() {
    extendedAt = performance.now()
    // What cannot be extended now may be in a moment; the countdown goes on meanwhile.
    auth.extend().catch(() => {})
  }

  function look() {
    const seconds = left()
    const near = seconds !== undefined && seconds <= warn ? Math.max(0, Math.ceil(seconds)) : undefined
    if (near !== told) listener(near)
    told = near
    if (near === 0 && !askedAtEnd) extend()
    askedAtEnd = near === 0
  }

  function onActivity() {
    if (left() === undefined) return
    if (performance.now() - extendedAt >= (told === undefined ? REST.far : REST.near)) extend()
  }

  if (activity)
    for (const sign of signs)
      addEventListener(sign, onActivity, { signal: stopping.signal, passive: true, capture: true })
  // It reads the clock and decides nothing: a throttled or sleeping tab catches up at its next turn.
  const timer = setInterval(look, 1000)
  const unsubscribe = auth.subscribe(look)
  return () => {
    stopping.abort()
    clearInterval(timer)
    unsubscribe()
  }
}
