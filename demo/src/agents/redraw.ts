const drawn = new WeakMap<HTMLElement, string>()

/** A name as people gave it, out of an id. */
export const nameOf = (agent: string): string =>
  agent
    .replace(/^agent_/, '')
    .replace(/\.[^.]*$/, '')
    .replaceAll('-', ' ')

/**
 * Draws a list anew where something has changed, and only there: what somebody reads, or is asked, does not move under them. What
 * had the focus gets it back, by its id.
 */
export function redraw(list: HTMLElement, state: unknown, draw: () => Node[]): void {
  const text = JSON.stringify(state)
  if (drawn.get(list) === text || list.querySelector('[role=group]:not([data-answered])')) return
  drawn.set(list, text)
  const focused = list.contains(document.activeElement) ? document.activeElement?.id : undefined
  list.replaceChildren(...draw())
  if (focused) document.getElementById(focused)?.focus()
}
