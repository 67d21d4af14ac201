import { monotonicNow } from '../protocol/time.js'
import type { Auth } from './types.js'

export interface CountdownOptions {
  /** The listener is called from this many seconds before the end. Default 60. */
  warn?: number
  /**
   * Whether clicks, keys, scrolling and touches extend the session, in all tabs: at most one request in 30 seconds, near the
   * end one in 5. `false`: only your own `auth.extend()` extends it. Default `true`.
   */
  activity?: boolean
  /** A clock that goes on while the computer sleeps, epoch seconds. It shows that the computer has slept. Default: the page's. */
  now?: () => number
}

/** Seconds between two extensions by activity: normally, and near the end. */
const INTERVAL = { far: 30, near: 5 }
/** Seconds by which the two clocks may differ before the backend is asked. */
const DRIFT = 5

const activityEvents = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const

/**
 * Counts down to the end of a session, so that an app can show "you will be signed out in 42 s". `listener` gets the whole
 * seconds that are left, once a second from `warn` on, and `undefined` when the session goes on or is over. The system
 * clock of the page does not matter.
 *
 * At 0, and after the computer has slept, it asks the backend, without extending the session. If the backend cannot be
 * reached, the user stays signed in here.
 *
 * @returns a function that stops the countdown
 */
export function watchCountdown(
  auth: Pick<Auth<unknown>, 'session' | 'extend' | 'secondsLeft' | 'subscribe'>,
  listener: (secondsLeft: number | undefined) => void,
  { warn = 60, activity = true, now = () => Date.now() / 1000 }: CountdownOptions = {},
): () => void {
  const controller = new AbortController()
  let lastReported: number | undefined
  // Loading the page has extended the session, but the other tabs do not know that yet.
  let extendedAt = monotonicNow() - INTERVAL.far + INTERVAL.near
  let askedAt = Number.NEGATIVE_INFINITY

  const secondsLeft = (): number | undefined => {
    const { session } = auth
    if (session.status !== 'signed-in' || session.expiresAt === null) return undefined
    const seconds = auth.secondsLeft()
    // From `initial`, or from an older backend: then only the page's clock is left.
    return Number.isNaN(seconds) ? session.expiresAt - now() : seconds
  }

  // After a failure the countdown goes on, and asks again later.
  const extend = (touch: boolean) => auth.extend({ touch }).then(check, () => {})

  const clockOffset = () => now() - monotonicNow()
  let lastOffset = clockOffset()

  /** Whether the system clock is ahead: it was set, or the computer has slept and the monotonic clock stood still. */
  function hasSlept(): boolean {
    const ahead = clockOffset() - lastOffset
    lastOffset += ahead
    return ahead > DRIFT
  }

  function check() {
    if (controller.signal.aborted) return
    const seconds = secondsLeft()
    const reported = seconds !== undefined && seconds <= warn ? Math.max(0, Math.ceil(seconds)) : undefined
    if (reported !== lastReported) listener(reported)
    lastReported = reported
    // Repeated until the backend says that the session is over.
    const isOver = reported === 0 && monotonicNow() - askedAt >= INTERVAL.near
    if ((!hasSlept() && !isOver) || seconds === undefined) return
    askedAt = monotonicNow()
    extend(false)
  }

  function onActivity() {
    if (
      secondsLeft() === undefined ||
      monotonicNow() - extendedAt < (lastReported === undefined ? INTERVAL.far : INTERVAL.near)
    )
      return
    extendedAt = monotonicNow()
    extend(true)
  }

  if (activity)
    for (const sign of activityEvents)
      addEventListener(sign, onActivity, { signal: controller.signal, passive: true, capture: true })
  // Each run reads the clock: a tab that was throttled or asleep is right again at its next run.
  const timer = setInterval(check, 1000)
  const unsubscribe = auth.subscribe(check)
  return () => {
    controller.abort()
    clearInterval(timer)
    unsubscribe()
  }
}
