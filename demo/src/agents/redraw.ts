const drawn = new WeakMap<HTMLElement, string>()

/** The name of an agent, from its id. */
export const nameOf = (agent: string): string =>
  agent
    .replace(/^agent_/, '')
    .replace(/\.[^.]*$/, '')
    .replaceAll('-', ' ')

/**
 * Redraws only the changed entries of a list, so that an entry does not move while the user reads it or answers a question. The
 * focused element gets the focus back, by its id.
 */
export function redraw(list: HTMLElement, state: unknown, draw: () => Node[]): void {
  const text = JSON.stringify(state)
  if (drawn.get(list) === text || list.querySelector('[role=group]:not([data-answered])')) return
  drawn.set(list, text)
  const focused = list.contains(document.activeElement) ? document.activeElement?.id : undefined
  list.replaceChildren(...draw())
  if (focused) document.getElementById(focused)?.focus()
}
