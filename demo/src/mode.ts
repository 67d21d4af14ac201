import { byId, onPress, setText } from './dom.js'

/** The demo has a backend for each mode. This browser remembers which one the page uses. */
export type Mode = 'token-mediating' | 'proxy'

const key = 'fieldnotes mode'

export const mode: Mode = remembered() === 'proxy' ? 'proxy' : 'token-mediating'
export const proxied = mode === 'proxy'
/** The path of the backend of this mode. */
export const backend = proxied ? '/proxy' : '/bff'

function remembered(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

/** Shows the elements of this mode, and a button for the other mode. Each mode has its own session. */
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
      return say('Your browser blocks the storage for this choice. Allow site data and try again.')
    }
    location.assign('/')
  })
}
