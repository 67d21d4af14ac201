import { signInError } from '../sign-in-errors.js'

/**
 * A popup and the page that opened it meet on a channel of this origin that is named by `state` alone: no `opener`, which
 * the provider's Cross-Origin-Opener-Policy may cut, and no message of another origin.
 */
function open(state: string): BroadcastChannel {
  try {
    return new BroadcastChannel(`sallyport ${state}`)
  } catch (cause) {
    throw signInError('storage_unavailable', { cause })
  }
}

/** Milliseconds between two looks at a popup, and looks for which its last words may be on the way. */
const LOOK = 50
const LAST_WORDS = 15
/** Milliseconds: Chromium shows a window that is about to be cut off as another origin's, and open, for about five. */
const CUT_OFF = 30
/** Looks at a page that has the focus again, after which a window that may have been cut off is taken for closed. */
const RETURNED = 40
/** Seconds: by then the sign-in itself is too old. */
const LIFETIME = 600

/**
 * Sends the popup to the provider and waits for what comes back.
 *
 * A window that is closed cannot be told from one that the provider's policy has cut off, which is perhaps open still:
 * only one that was seen at the provider is closed for certain. It leaves its first page in one moment, which is therefore
 * heard and not waited for. For one that was never seen there, the person has to be back: this page has lost the focus, and
 * has it again.
 *
 * @throws SallyportError `popup_closed`, `popup_timeout`, `storage_unavailable` where the browser refuses the channel
 */
export function askByPopup(popup: Window, url: string, state: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const channel = open(state)
    const until = performance.now() + LIFETIME * 1000
    let away = false
    let left = false
    let closed = 0
    let back = 0
    let since: number | undefined
    const seen = () => {
      if (popup.closed || !isAway(popup)) return
      since ??= performance.now()
      away ||= performance.now() - since > CUT_OFF
    }
    const look = setInterval(() => {
      seen()
      left ||= !document.hasFocus()
      closed += popup.closed && away ? 1 : 0
      back = popup.closed && left && document.hasFocus() ? back + 1 : 0
      if (closed > LAST_WORDS || back > RETURNED) end(() => reject(signInError('popup_closed')))
      if (performance.now() > until) end(() => reject(signInError('popup_timeout')))
    }, LOOK)
    const end = (settle: () => void) => {
      clearInterval(look)
      channel.close()
      settle()
    }
    channel.onmessage = ({ data }) => {
      if (typeof data !== 'string' || new URLSearchParams(data).get('state') !== state) return
      channel.postMessage(true)
      end(() => resolve(data))
    }
    popup.onpagehide = () => {
      for (const delay of [0, 5, 15, 40, 60]) setTimeout(seen, delay)
    }
    // The provider gets no handle on this page.
    popup.opener = null
    popup.location.replace(url)
  })
}

function isAway(popup: Window): boolean {
  try {
    return !popup.location.href
  } catch {
    // Another origin's page.
    return true
  }
}

/** Milliseconds that whoever waits for an answer has for taking it. */
const TAKING = 500

/** In the popup: hands the answer to whoever waits for it, and closes. `false`: nobody does. */
export async function handOver(search: string, state: string): Promise<boolean> {
  const channel = open(state)
  const taken = await new Promise<boolean>((resolve) => {
    channel.onmessage = ({ data }) => resolve(data === true)
    channel.postMessage(search)
    setTimeout(() => resolve(false), TAKING)
  })
  channel.close()
  if (taken) close()
  return taken
}
