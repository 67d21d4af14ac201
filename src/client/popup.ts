import { signInError } from './sign-in-errors.js'

/**
 * A popup and the page that opened it meet on a channel of this origin that is named by `state` alone: no `opener`, which
 * the provider's Cross-Origin-Opener-Policy may cut, and no message of another origin.
 */
const open = (state: string) => new BroadcastChannel(`sallyport ${state}`)

/** Milliseconds: how often a closed popup is looked for, and how long its last words may be on the way. */
const LOOK = 250
/** Seconds: by then the sign-in itself is too old. */
const LIFETIME = 600

/** Sends the popup to the provider and waits for what comes back. @throws SallyportError `popup_closed`, `popup_timeout` */
export function askByPopup(popup: Window, url: string, state: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const channel = open(state)
    const until = performance.now() + LIFETIME * 1000
    let away = false
    let closed = 0
    const look = setInterval(() => {
      // Closed before it was ever seen at the provider: a policy has cut it off, and it is perhaps open still.
      if (popup.closed) closed += away ? 1 : 0
      else away ||= isAway(popup)
      if (closed > 2) end(() => reject(signInError('popup_closed')))
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

/** In the popup: hands the answer to whoever waits for it, and closes. `false`: nobody does. */
export async function handOver(search: string, state: string): Promise<boolean> {
  const channel = open(state)
  const taken = await new Promise<boolean>((resolve) => {
    channel.onmessage = ({ data }) => resolve(data === true)
    channel.postMessage(search)
    setTimeout(() => resolve(false), LOOK * 2)
  })
  channel.close()
  if (taken) close()
  return taken
}
