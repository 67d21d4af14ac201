import type { Auth } from './types.js'

export interface CountdownOptions {
  /** Seconds before the end from which the listener is told. Default 60. */
  warn?: number
  /**
   * Whether a person who clicks, types, scrolls or touches keeps the session going, in all tabs: at most one request in
   * 30 seconds, in the last seconds at most one in 5. `false`: only your own `auth.extend()` does. Default `true`.
   */
  activity?: boolean
  /** A clock that goes on while the computer sleeps, epoch seconds: it tells that it has slept. Default: the page's own. */
  now?: () => number
}

/** Milliseconds between two extensions by activity: as a rule, and while the end is near. */
const REST = { far: 30_000, near: 5000 }
/** Seconds by which the two clocks may come apart before the backend is asked. */
const SLEPT = 5

const signs = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const

/**
 * Tells when a session is about to end, so that an app can say "you will be signed out in 42 s". `listener` gets the whole
 * seconds that are left, once a second from `warn` on, and `undefined` when there is no reason to worry any more. They are
 * counted from what the backend last said, whatever the page's clock is set to.
 *
 * At 0, and after the computer has slept, the backend is asked, which is no activity; whoever cannot reach it is not signed
 * out here.
 *
 * @returns ends it
 */
export function watchCountdown(
  auth: Pick<Auth<unknown>, 'session' | 'extend' | 'secondsLeft' | 'subscribe'>,
  listener: (secondsLeft: number | undefined) => void,
  { warn = 60, activity = true, now = () => Date.now() / 1000 }: CountdownOptions = {},
): () => void {
  const stopping = new AbortController()
  const ticks = () => performance.now()
  let told: number | undefined
  // The page has just been loaded, which the backend has seen and the other tabs have not.
  let extendedAt = ticks() - REST.far + REST.near
  let askedAt = Number.NEGATIVE_INFINITY

  const left = (): number | undefined => {
    const { session } = auth
    if (session.status !== 'signed-in' || session.expiresAt === null) return undefined
    const seconds = auth.secondsLeft()
    // Guessed by a server that rendered the page, or told by an older backend: then the page's clock is all there is.
    return Number.isNaN(seconds) ? session.expiresAt - now() : seconds
  }

  // What cannot be asked now may be in a moment; the countdown goes on meanwhile.
  const ask = (touch: boolean) => auth.extend({ touch }).then(look, () => {})

  const apart = () => now() - ticks() / 1000
  let agreed = apart()

  /** Whether the clock on the wall has run ahead: somebody has set it, or the computer has slept and the other one stood still. */
  function slept(): boolean {
    const ahead = apart() - agreed
    agreed += ahead
    return ahead > SLEPT
  }

  function look() {
    if (stopping.signal.aborted) return
    const seconds = left()
    const near = seconds !== undefined && seconds <= warn ? Math.max(0, Math.ceil(seconds)) : undefined
    if (near !== told) listener(near)
    told = near
    // Asked again until it is over: the last second is the backend's.
    const over = near === 0 && ticks() - askedAt >= REST.near
    if ((!slept() && !over) || seconds === undefined) return
    askedAt = ticks()
    ask(false)
  }

  function onActivity() {
    if (left() === undefined || ticks() - extendedAt < (told === undefined ? REST.far : REST.near)) return
    extendedAt = ticks()
    ask(true)
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
