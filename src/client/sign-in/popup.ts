import { monotonicNow } from '../../protocol/time.js'
import { signInError } from '../sign-in-errors.js'

/**
 * The channel between a popup and the page that opened it, named by `state`. It needs no `opener`, which the provider's
 * Cross-Origin-Opener-Policy may remove, and takes no messages from other origins.
 */
function openChannel(state: string): BroadcastChannel {
  try {
    return new BroadcastChannel(`sallyport ${state}`)
  } catch (cause) {
    throw signInError('storage_unavailable', { cause })
  }
}

/** Milliseconds between two looks at a popup, and the number of looks for which a closed popup's message may still arrive. */
const POLL_INTERVAL = 50
const ANSWER_POLLS = 15
/**
 * Chromium shows a window that the policy cuts off as one of another origin that is still open, until its browser process has
 * told this page. Each answer of that process to this page comes after what it told before, on a busy computer, too.
 */
const ANSWERS = 5
/** Milliseconds that stand for an answer where the browser gives none. */
const ANSWER_TIME = 10
/** Seconds that a popup has, from leaving its first page, to be seen at the provider more often than once in `POLL_INTERVAL`. */
const ARRIVAL_TIME = 1
/** The number of looks at a page that has the focus again, after which a window that may have been cut off counts as closed. */
const RETURN_POLLS = 40
/** Seconds. An older sign-in is refused anyway. */
const SIGN_IN_TIMEOUT = 600

/**
 * Sends the popup to the provider and waits for the authorization response.
 *
 * A window that the provider's Cross-Origin-Opener-Policy has cut off looks closed, but may be open. A popup is certainly
 * closed only if it was seen at the provider before; `pagehide` tells when it leaves its first page. One that was never seen
 * there counts as closed when this page has lost the focus and has it again.
 *
 * @throws SallyportError `popup_closed`, `popup_timeout`, `storage_unavailable` where the browser refuses the channel
 */
export function signInByPopup(popup: Window, url: string, state: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const channel = openChannel(state)
    const deadline = monotonicNow() + SIGN_IN_TIMEOUT
    let atProvider = false
    let lostFocus = false
    let pollsClosed = 0
    let pollsFocused = 0
    const isAway = () => !popup.closed && isAtOtherOrigin(popup)
    const checkLocation = async () => {
      for (let answers = 0; answers < ANSWERS; answers++) {
        if (!isAway()) return
        await answerOfBrowser()
      }
      atProvider ||= isAway()
    }
    const timer = setInterval(() => {
      if (!atProvider) checkLocation()
      lostFocus ||= !document.hasFocus()
      pollsClosed += popup.closed && atProvider ? 1 : 0
      pollsFocused = popup.closed && lostFocus && document.hasFocus() ? pollsFocused + 1 : 0
      if (pollsClosed > ANSWER_POLLS || pollsFocused > RETURN_POLLS) end(() => reject(signInError('popup_closed')))
      if (monotonicNow() > deadline) end(() => reject(signInError('popup_timeout')))
    }, POLL_INTERVAL)
    const end = (settle: () => void) => {
      clearInterval(timer)
      channel.close()
      settle()
    }
    channel.onmessage = ({ data }) => {
      if (typeof data !== 'string' || new URLSearchParams(data).get('state') !== state) return
      channel.postMessage(true)
      end(() => resolve(data))
    }
    popup.onpagehide = async () => {
      const until = monotonicNow() + ARRIVAL_TIME
      while (!popup.closed && !isAtOtherOrigin(popup) && monotonicNow() < until) await answerOfBrowser()
      checkLocation()
    }
    // The provider must not reach this page through `opener`.
    popup.opener = null
    popup.location.replace(url)
  })
}

function isAtOtherOrigin(popup: Window): boolean {
  try {
    return !popup.location.href
  } catch {
    // A page of another origin.
    return true
  }
}

/** Resolves when the browser process has answered: what it told this page before has arrived by then. */
const answerOfBrowser = (): Promise<unknown> => navigator.locks?.query().catch(answerTime) ?? answerTime()

const answerTime = () => new Promise((resolve) => setTimeout(resolve, ANSWER_TIME))

/** Milliseconds that the waiting page has for its confirmation. */
const HAND_OVER_TIMEOUT = 500

/** In the popup: sends the response to the page that waits for it, and closes. `false`: no page waits. */
export async function handOverResponse(search: string, state: string): Promise<boolean> {
  const channel = openChannel(state)
  const taken = await new Promise<boolean>((resolve) => {
    channel.onmessage = ({ data }) => resolve(data === true)
    channel.postMessage(search)
    setTimeout(() => resolve(false), HAND_OVER_TIMEOUT)
  })
  channel.close()
  if (taken) close()
  return taken
}
