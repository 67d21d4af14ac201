import type { Now } from '../../protocol/time.js'
import { signInError } from '../sign-in-errors.js'

/** Sign-ins that a page may start by itself, and the seconds in which they are counted. */
const MAX_SIGN_INS = 3
const WINDOW = 60

const key = 'sallyport-sign-ins'

interface History {
  /** When this tab started sign-ins without a click or a key. Epoch seconds. */
  at: number[]
  /** The result of the last one: an error code, or `signed_in`. */
  last?: string
}

function readHistory(): History {
  try {
    const { at, last }: History = JSON.parse(sessionStorage.getItem(key) ?? '{}')
    return { at: at.filter(Number.isFinite), ...(last && /^\w{1,40}$/.test(last) && { last }) }
  } catch {
    return { at: [] }
  }
}

function saveHistory(history: History): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(history))
  } catch {}
}

/**
 * Counts a sign-in that is about to leave the page, and refuses it in a loop: one page load after another that starts a
 * sign-in. Sign-ins after a click or a key are not counted.
 *
 * @throws SallyportError `login_loop`
 */
export function refuseLoop(now: Now): void {
  if (navigator.userActivation?.hasBeenActive !== false) return
  const { at, last } = readHistory()
  const recent = at.filter((instant) => Math.abs(now() - instant) < WINDOW)
  if (recent.length >= MAX_SIGN_INS) {
    // A later one, or one after a click, may try again.
    throw signInError('login_loop', { cause: { begun: recent.length, seconds: WINDOW, last: last ?? 'unfinished' } })
  }
  saveHistory({ at: [...recent, now()], ...(last && { last }) })
}

/** Saves the result of a sign-in, for `cause.last` of a loop. */
export function saveOutcome(last: string): void {
  const { at } = readHistory()
  if (at.length) saveHistory({ at, last })
}
