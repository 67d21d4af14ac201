import { byId, onPress, setText } from '../dom.js'

const field = byId<HTMLTextAreaElement>('shown-key')

/** Shows a key, this once, and takes the focus there. It is in this field and in that of “Try it”, and nowhere else. */
export function showKey(key: string, title: string): void {
  setText('shown-title', title)
  setText('copied', '')
  field.value = key
  byId<HTMLInputElement>('try-key').value = key
  byId('shown').hidden = false
  field.focus()
  field.select()
}

/** Takes the key off the page. */
export function dismissKey(): void {
  const tried = byId<HTMLInputElement>('try-key')
  if (tried.value === field.value) tried.value = ''
  field.value = ''
  byId('shown').hidden = true
  setText('copied', '')
}

/** The same, should it be the one with this id. */
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
      setText('copied', 'Your browser does not let this page copy. The key is selected: press Ctrl+C or ⌘C.')
    }
  })
  onPress('dismiss-key', async () => {
    dismissKey()
    byId('keys-title').focus()
  })
  // The back button may bring this page back as it was left.
  addEventListener('pagehide', () => {
    dismissKey()
    byId<HTMLInputElement>('try-key').value = ''
  })
}
