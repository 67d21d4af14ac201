import { expect, vi } from 'vitest'
import type { Tab, World } from '../world.js'
import { APP, goTo, load, type Page } from './page.js'

/** A window that the app has opened: another tab of the same browser, with a sessionStorage of its own. */
export function popups(it: World) {
  const opened: Array<{ url: string | undefined; closed: boolean; focused: number; opener: unknown; tab: Tab }> = []
  let blocked = false
  let severed = false
  vi.spyOn(globalThis, 'open').mockImplementation(() => {
    if (blocked) return null
    const tab = it.browser.newTab(`${APP}/`)
    const popup = {
      url: undefined as string | undefined,
      closed: false,
      focused: 0,
      opener: globalThis as unknown,
      tab,
    }
    opened.push(popup)
    return {
      get closed() {
        return popup.closed || (severed && popup.url !== undefined)
      },
      set opener(value: unknown) {
        popup.opener = value
      },
      location: {
        get href(): string {
          if (popup.url !== undefined) throw new DOMException('another origin', 'SecurityError')
          return 'about:blank'
        },
        replace(url: string) {
          popup.url = url
        },
      },
      focus() {
        popup.focused++
      },
      close() {
        popup.closed = true
      },
    } as unknown as Window
  })
  return {
    opened,
    block: (on = true) => {
      blocked = on
    },
    sever: () => {
      severed = true
    },
    /** Where the popup was sent. */
    async sent() {
      return vi.waitFor(() => {
        const url = opened.at(-1)?.url
        if (url === undefined) throw new Error('nowhere yet')
        return url
      })
    },
  }
}

/** Goes through the provider in the popup, and loads the app there. */
export async function comeBack(it: World, { opened, sent }: ReturnType<typeof popups>): Promise<Page> {
  const target = await sent()
  const popup = opened.at(-1)
  const { url } = (await popup?.tab.navigate(target)) ?? {}
  const records = Object.entries(sessionStorage)
  sessionStorage.clear()
  goTo(url ?? '')
  vi.spyOn(globalThis, 'close').mockImplementation(() => {
    if (popup) popup.closed = true
  })
  // The popup has looked into its own storage when it speaks; what the opener then sees is the opener's.
  const { postMessage } = BroadcastChannel.prototype
  vi.spyOn(BroadcastChannel.prototype, 'postMessage').mockImplementation(function (this: BroadcastChannel, message) {
    if (typeof message === 'string') for (const [key, value] of records) sessionStorage.setItem(key, value)
    postMessage.call(this, message)
  })
  const page = load(popup?.tab as Tab, {}, it)
  page.auth.ready()
  await vi.waitFor(() => expect(location.search).toBe(''))
  return page
}
