import type { Now } from '../../protocol/time.js'
import { signInError } from '../sign-in-errors.js'

/** Sign-ins that a page may begin by itself, and the seconds in which they are counted. */
const MOST = 3
const WINDOW = 60

const key = 'sallyport-sign-ins'

interface Past {
  /** When this tab began sign-ins that nobody had asked for with a click or a key. Epoch seconds. */
  at: number[]
  /** What became of the last one: an error's code, or `signed_in`. */
  last?: string
}

function recall(): Past {
  try {
    const { at, last }: Past = JSON.parse(sessionStorage.getItem(key) ?? '{}')
    return { at: at.filter(Number.isFinite), ...(last && /^\w{1,40}$/.test(last) && { last }) }
  } catch {
    return { at: [] }
  }
}

function keep(past: Past): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(past))
  } catch {}
}

/**
 * Counts a sign-in that is about to leave the page, and ends a loop: one page load after another that begins a sign-in,
 * untouched by anybody. What a person did something for is not counted.
 *
 * @throws SallyportError `login_loop`
 */
export function breakLoop(now: Now): void {
  if (navigator.userActivation?.hasBeenActive !== false) return
  const { at, last } = recall()
  const recent = at.filter((instant) => Math.abs(now() - instant) < WINDOW)
  if (recent.length >= MOST) {
    // The next one may try again, in a while or by a click.
    throw signInError('login_loop', { cause: { begun: recent.length, seconds: WINDOW, last: last ?? 'unfinished' } })
  }
  keep({ at: [...recent, now()], ...(last && { last }) })
}

/** What a sign-in has come to, for the diagnosis of a loop. */
export function noteOutcome(last: string): void {
  const { at } = recall()
  if (at.length) keep({ at, last })
}
