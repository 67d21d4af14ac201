import { byId, onPress, setNotice, setText } from '../dom.js'
import { explainError } from '../words.js'
import { type ApiKey, createKey, readKeys, readUse, revokeKey, rotateKey } from './api.js'
import { drawKeys, focusKey, isAsking } from './list.js'
import { dismissKey, dismissKeyOf, setUpShown, showKey } from './shown.js'
import { clearTried, setUpTryIt } from './try-it.js'
import { clearUse, drawUse } from './usage.js'

const day = 86_400
const actions = { rotate, revoke }

setUpShown()
setUpTryIt(loadKeys)
onPress('keys-retry', loadKeys)
onPress('usage-refresh', loadKeys)
// Loaded on demand, not every few seconds: requests keep a session from being idle.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !byId('keys').hidden) loadKeys()
})
byId('create').addEventListener('submit', (event) => {
  event.preventDefault()
  create()
})

/** Shows the keys of the signed-in user, and their use. */
export async function loadKeys(): Promise<void> {
  await attempt(() => refresh(isAsking()))
}

/** `keepList`: a question is open in the list. */
async function refresh(keepList = false): Promise<void> {
  const [keys, use] = await Promise.all([readKeys(), readUse()])
  if (!keepList) drawKeys(keys, actions)
  if (!keys.length) setText('keys-status', 'No keys yet.')
  drawUse(use, keys)
}

/** Clears the view when the user is no longer signed in. */
export function clearKeys(): void {
  dismissKey()
  clearTried()
  clearUse()
  drawKeys([], actions)
  setText('keys-status', '')
  setNotice('create-error', undefined)
  byId('keys-error').hidden = true
}

async function attempt(work: () => Promise<void>): Promise<void> {
  byId('keys-error').hidden = true
  try {
    await work()
  } catch (error) {
    setText('keys-error-text', explainError(error))
    byId('keys-error').hidden = false
  }
}

let creating = false

async function create(): Promise<void> {
  if (creating) return
  const name = byId<HTMLInputElement>('key-name')
  const scopes = [...document.querySelectorAll<HTMLInputElement>('#create [name=scope]:checked')].map(
    ({ value }) => value,
  )
  if (!scopes.length) return setNotice('create-error', 'Select at least one scope.')
  setNotice('create-error', undefined)
  creating = true
  try {
    const expiresIn = Number(byId<HTMLSelectElement>('key-lifetime').value) * day
    const { key } = await createKey({ name: name.value, scopes, expiresIn })
    showKey(key, `Your new key “${name.value.trim()}”`)
    byId<HTMLFormElement>('create').reset()
    setText('keys-status', 'The key is created.')
    await loadKeys()
  } catch (error) {
    setNotice('create-error', explainError(error))
  } finally {
    creating = false
  }
}

const rotated = (grace: number): string =>
  grace
    ? `The old key is valid for another ${grace === day ? 'day' : 'hour'}: replace it with the new key.`
    : 'The old key is no longer valid.'

async function rotate({ id, name }: ApiKey, grace: number): Promise<void> {
  await attempt(async () => {
    const { key } = await rotateKey(id, grace)
    await refresh()
    setText('keys-status', `“${name}” has a new key. ${rotated(grace)}`)
    showKey(key, `The new key of “${name}”`)
  })
}

async function revoke({ id, name }: ApiKey): Promise<void> {
  await attempt(async () => {
    await revokeKey(id)
    dismissKeyOf(id)
    await refresh()
    setText('keys-status', `“${name}” is revoked: the next call with it is refused.`)
    focusKey(id)
  })
}
