import { byId, onPress, setText } from '../dom.js'

const field = byId<HTMLTextAreaElement>('shown-key')

/** Shows a key once, and moves the focus there. The key is only in this field and in that of “Try it”. */
export function showKey(key: string, title: string): void {
  setText('shown-title', title)
  setText('copied', '')
  field.value = key
  byId<HTMLInputElement>('try-key').value = key
  byId('shown').hidden = false
  field.focus()
  field.select()
}

/** Removes the key from the page. */
export function dismissKey(): void {
  const tried = byId<HTMLInputElement>('try-key')
  if (tried.value === field.value) tried.value = ''
  field.value = ''
  byId('shown').hidden = true
  setText('copied', '')
}

/** Removes it if it is the key with this id. */
export function dismissKeyOf(id: string): void {
  if (field.value.includes(`_${id}_`)) dismissKey()
}

export function setUpShown(): void {
  onPress('copy-key', async () => {
    try {
      await navigator.clipboard.writeText(field.value)
      setText('copied', 'Copied.')
    } catch {
      field.focus()
      field.select()
      setText('copied', 'Your browser does not allow this page to copy. The key is selected: press Ctrl+C or ⌘C.')
    }
  })
  onPress('dismiss-key', async () => {
    dismissKey()
    byId('keys-title').focus()
  })
  // The back-forward cache may restore this page.
  addEventListener('pagehide', () => {
    dismissKey()
    byId<HTMLInputElement>('try-key').value = ''
  })
}
