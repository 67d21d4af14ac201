import { type AuthError, clientError } from '../errors.js'

/** Leaves the page, or opens a popup: once, also if it is called several times. */
export function createRedirect(open: Window['open']) {
  let leaving: Promise<void> | undefined
  /** The URL to go to, once it is known. */
  let target: string | undefined
  let popupSignIn: Promise<unknown> | undefined
  let popup: Window | null | undefined
  let rejectLeaving: ((error: AuthError) => void) | undefined
  /** Goes to the URL that `prepare` resolves to; stays if there is none. */
  function leave(prepare: () => Promise<string | undefined>): Promise<void> {
    // The user has chosen to stay ("leave this page?"): a second click goes there again.
    if (target) location.assign(target)
    leaving ??= prepare()
      .then((url) => {
        target = url
        if (!url) return
        location.assign(url)
        return new Promise<void>((_, reject) => {
          rejectLeaving = reject
        })
      })
      .finally(() => {
        leaving = target = undefined
      })
    return leaving
  }

  return {
    leave,
    /**
     * Opens a popup in the click, before anything is awaited: later, the browser would block it. An open popup gets the
     * focus. Without a popup, leaves the page.
     */
    go(inPopup: unknown, begin: (popup?: Window) => Promise<string | undefined>): Promise<unknown> {
      if (inPopup) {
        popup?.focus()
        try {
          popup ||= open('', '', 'width=480,height=720')
        } catch {
          // Firefox throws in a sandbox, where other browsers return null.
        }
        if (popup) {
          popupSignIn ??= begin(popup).finally(() => {
            popup?.close()
            popup = popupSignIn = undefined
          })
          return popupSignIn
        }
      }
      return leave(begin)
    },
    /** Rejects with `cancelled`: the back-forward cache has brought the page back. */
    cancel: () => rejectLeaving?.(clientError('cancelled')),
  }
}
