import { act, Component, createElement as h, type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import type { Auth } from 'sallyport'
import { AuthProvider } from 'sallyport/react'
import { afterEach, beforeEach, expect, vi } from 'vitest'

export let container: HTMLElement
export const unmounts: Array<() => void> = []
beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  container = document.createElement('div')
  document.body.replaceChildren(container)
})
afterEach(() => {
  for (const unmount of unmounts.splice(0)) act(unmount)
})

/** Shows the error that came up to it. */
export class Boundary extends Component<{ children?: ReactNode }> {
  override state: { error?: Error } = {}
  static getDerivedStateFromError = (error: Error) => ({ error })
  override render(): ReactNode {
    return this.state.error ? `caught ${this.state.error.message}` : this.props.children
  }
}

export function render(auth: Auth<unknown>, children: ReactNode, { strict = false } = {}) {
  container = document.createElement('div')
  document.body.replaceChildren(container)
  // A caught error is logged by React itself.
  const root = createRoot(container, { onCaughtError: () => {} })
  unmounts.push(() => root.unmount())
  const tree = h(AuthProvider, { auth }, h(Boundary, null, children))
  act(() => root.render(strict ? h(StrictMode, null, tree) : tree))
  return root
}

export const text = () => container.textContent

/** Presses the one button. */
export const press = () => act(async () => container.querySelector('button')?.click())

/** Waits for these words. React renders when `act` ends. */
export const shows = (words: string) =>
  vi.waitFor(async () => {
    await act(async () => {})
    expect(text()).toBe(words)
  })
