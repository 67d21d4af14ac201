import { byId, onPress, setText } from './dom.js'

/** The demo has a backend for each mode. Which one a page talks to is remembered in this browser. */
export type Mode = 'token-mediating' | 'proxy'

const key = 'fieldnotes mode'

export const mode: Mode = remembered() === 'proxy' ? 'proxy' : 'token-mediating'
export const proxied = mode === 'proxy'
/** Where the backend of this mode is. */
export const backend = proxied ? '/proxy' : '/bff'

function remembered(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

/** Shows what belongs to this mode, and lets a visitor go to the other one: each has a session of its own. */
export function setUpMode(say: (sentence: string) => void): void {
  const other: Mode = proxied ? 'token-mediating' : 'proxy'
  document.documentElement.dataset['mode'] = mode
  setText('mode', proxied ? 'Proxy mode' : 'Token-mediating mode')
  setText('switch-mode', `Switch to ${other} mode`)
  byId(`left-${mode}`).setAttribute('aria-current', 'true')
  onPress('switch-mode', async () => {
    try {
      localStorage.setItem(key, other)
    } catch {
      return say('Your browser does not let this page remember a choice. Allow site data and try again.')
    }
    location.assign('/')
  })
}
