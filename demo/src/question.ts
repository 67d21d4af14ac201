import { make, onPress } from './dom.js'

export interface Question {
  /** Where the buttons are that it takes the place of. */
  place: HTMLElement
  /** The button that was pressed. */
  from: HTMLElement
  /** What is asked, for who does not see it. */
  label: string
  words: HTMLElement[]
  yes: string
  className: string
  work(): Promise<void>
}

/** Asks in the place of the buttons whether somebody means it. Escape and “Cancel” bring the buttons back. */
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
    // Whoever draws the list anew may do so now.
    group.dataset['answered'] = 'true'
    await work()
    // Still there: it did not work, and why stands above the list.
    if (group.isConnected) back()
  })
  cancel.addEventListener('click', back)
  group.addEventListener('keydown', ({ key }) => key === 'Escape' && back())
  group.append(...words, confirm, cancel)
  place.replaceChildren(group)
  ;(words.find((one) => one instanceof HTMLSelectElement) ?? confirm).focus()
}
