import { make, onPress } from './dom.js'

export interface Question {
  /** The element whose buttons the question replaces. */
  place: HTMLElement
  /** The pressed button. */
  from: HTMLElement
  /** The question, for screen readers. */
  label: string
  words: HTMLElement[]
  yes: string
  className: string
  work(): Promise<void>
}

/** Replaces the buttons with a confirmation. Escape and “Cancel” restore the buttons. */
export function ask({ place, from, label, words, yes, className, work }: Question): void {
  const before = [...place.children]
  const group = make('div', { className: 'question', role: 'group', ariaLabel: label })
  const confirm = make('button', { type: 'button', className }, yes)
  const cancel = make('button', { type: 'button' }, 'Cancel')
  const back = () => {
    place.replaceChildren(...before)
    from.focus()
  }
  onPress(confirm, async () => {
    // The list may be redrawn now.
    group.dataset['answered'] = 'true'
    await work()
    // Still there: it failed, and the reason is above the list.
    if (group.isConnected) back()
  })
  cancel.addEventListener('click', back)
  group.addEventListener('keydown', ({ key }) => key === 'Escape' && back())
  group.append(...words, confirm, cancel)
  place.replaceChildren(group)
  ;(words.find((one) => one instanceof HTMLSelectElement) ?? confirm).focus()
}
