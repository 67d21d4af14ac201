import { type AuthError, clientError } from '../errors.js'

/** Leaving the page, or opening a window for it: once, however often it is asked. */
export function createRedirect(open: Window['open']) {
  let leaving: Promise<void> | undefined
  /** Where to, once it is known. */
  let target: string | undefined
  let popping: Promise<unknown> | undefined
  let popup: Window | null | undefined
  let comeBack: ((error: AuthError) => void) | undefined
  /** Goes where `prepare` says; stays if there is nowhere to go. */
  function leave(prepare: () => Promise<string | undefined>): Promise<void> {
    // The person stayed after all ("leave this page?"): the button goes there again.
    if (target) location.assign(target)
    leaving ??= prepare()
      .then((url) => {
        target = url
        if (!url) return
        location.assign(url)
        return new Promise<void>((_, reject) => {
          comeBack = reject
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
     * In a popup, opened in the click, before anything is awaited: later, the browser would block it. One that is open
     * already comes to the front. Else leaves the page.
     */
    go(inPopup: unknown, begin: (popup?: Window) => Promise<string | undefined>): Promise<unknown> {
      if (inPopup) {
        popup?.focus()
        try {
          popup ||= open('', '', 'width=480,height=720')
        } catch {
          // Firefox throws in a sandbox where others answer null.
        }
        if (popup) {
          popping ??= begin(popup).finally(() => {
            popup?.close()
            popup = popping = undefined
          })
          return popping
        }
      }
      return leave(begin)
    },
    /** The back-forward cache has brought the page back. */
    cameBack: () => comeBack?.(clientError('cancelled')),
  }
}
