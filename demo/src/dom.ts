/** The element with this id. A missing element is a bug in the demo. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  return element as Type
}

/** Strings are always set as text, never as markup. */
export function setText(id: string, text: string): void {
  const element = byId(id)
  // Screen readers do not read an unchanged live region again.
  if (element.textContent !== text) element.textContent = text
}

/** Shows an alert with `text`, or hides it without. `plain`: nothing went wrong. */
export function setNotice(id: string, text: string | undefined, kind: 'plain' | 'bad' = 'bad'): void {
  const notice = byId(id)
  notice.hidden = text === undefined
  notice.dataset['kind'] = kind
  setText(id, text ?? '')
}

/** An element with these properties and children. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), properties)
  element.append(...children)
  return element
}

/**
 * Runs `work` once at a time. The button stays focusable while it is busy: a disabled button loses the focus, and
 * keyboard users start again at the top of the page.
 */
export function onPress(pressed: string | HTMLElement, work: () => Promise<void>): void {
  const button = typeof pressed === 'string' ? byId(pressed) : pressed
  button.addEventListener('click', async () => {
    if (button.getAttribute('aria-disabled') === 'true') return
    button.setAttribute('aria-disabled', 'true')
    button.setAttribute('aria-busy', 'true')
    try {
      await work()
    } finally {
      button.removeAttribute('aria-disabled')
      button.removeAttribute('aria-busy')
    }
  })
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`

/** Seconds as text, in the two largest units. */
export function duration(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds))
  const units: Array<[number, string]> = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  const first = units.findIndex(([size]) => left >= size)
  if (first < 0) return '0 s'
  return units
    .slice(first, first + 2)
    .map(([size, name], at) => [Math.floor(at ? (left % (units[first]?.[0] ?? 1)) / size : left / size), name] as const)
    .filter(([count]) => count > 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(' ')
}
