import { type FetchOptions, SallyportError } from 'sallyport'
import { auth, lookAtToken } from './auth.js'
import { byId, onPress, plural, setText } from './dom.js'
import { explainError, Refusal } from './words.js'

interface Note {
  id: string
  text: string
  at: number
}

const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const list = byId('notes')

/** One call of the notes API: `auth.fetch` handles the token. */
async function call<Answer>(path: string, init?: RequestInit, options?: FetchOptions): Promise<Answer | undefined> {
  const response = await auth.fetch(`/api/notes${path}`, init, options)
  if (response.ok) return response.status === 204 ? undefined : response.json()
  if (response.status === 401)
    throw new Refusal(
      'The notes server refused the token, and no other token is available yet. Try again in a few seconds.',
    )
  if (response.status === 403) throw new Refusal('You did not give this app access to your notes.')
  const { error } = response.status < 500 ? await response.json().catch(() => ({})) : {}
  throw new Refusal(
    typeof error === 'string' ? error : 'The notes server does not respond. Please try again in a moment.',
  )
}

/** The last failed action, for the button that repeats it. */
let failed: () => Promise<void> = load

/** Shows an error beside the notes. Resolves to `false` after an error. */
async function attempt(work: () => Promise<void>): Promise<boolean> {
  byId('notes-error').hidden = true
  try {
    await work()
    return true
  } catch (error) {
    // Signed-out users see the sign-in page instead.
    if (error instanceof SallyportError && error.code === 'login_required') return false
    failed = work
    setText('notes-error-text', explainError(error))
    byId('notes-error').hidden = false
    return false
  } finally {
    await lookAtToken()
  }
}

export const loadNotes = (): Promise<boolean> => attempt(load)

async function load(): Promise<void> {
  list.setAttribute('aria-busy', 'true')
  try {
    draw((await call<Note[]>('')) ?? [])
  } finally {
    list.removeAttribute('aria-busy')
  }
}

/** Clears the notes of a user who is no longer signed in. */
export function clearNotes(): void {
  list.replaceChildren()
  setText('notes-status', '')
  byId<HTMLFormElement>('add-note').reset()
  byId('notes-error').hidden = true
}

function draw(notes: readonly Note[]): void {
  list.replaceChildren(...notes.map(item))
  count()
}

const count = () =>
  setText(
    'notes-status',
    list.children.length ? plural(list.children.length, 'note') : 'No notes yet. Write the first one.',
  )

function item({ id, text, at }: Note): HTMLElement {
  const entry = document.createElement('li')
  const words = document.createElement('p')
  const when = document.createElement('time')
  const remove = document.createElement('button')
  words.textContent = text
  when.dateTime = new Date(at * 1000).toISOString()
  when.textContent = time.format(at * 1000)
  remove.type = 'button'
  remove.textContent = 'Delete'
  remove.setAttribute('aria-label', `Delete note: ${text.slice(0, 60)}`)
  remove.addEventListener('click', () => removeNote(id, entry))
  entry.append(words, when, remove)
  return entry
}

const removeNote = (id: string, entry: HTMLElement) =>
  attempt(async () => {
    await call(`/${id}`, { method: 'DELETE' })
    // The focus moves to the next note, not to the top of the page.
    const neighbour = (entry.nextElementSibling ?? entry.previousElementSibling)?.querySelector('button')
    entry.remove()
    ;(neighbour ?? byId('note')).focus()
    count()
  })

const addNote = (text: string) =>
  attempt(async () => {
    const headers = { 'Content-Type': 'application/json' }
    const note = await call<Note>('', { method: 'POST', headers, body: JSON.stringify({ text }) })
    if (note) list.prepend(item(note))
    byId<HTMLInputElement>('note').value = ''
    count()
  })

/** The API requires a sign-in within the last minute: the SDK opens a popup and repeats the request. */
const deleteAll = () =>
  attempt(async () => {
    await call('', { method: 'DELETE' }, { stepUp: 'popup' })
    list.replaceChildren()
    byId('note').focus()
    count()
  })

export function setUpNotes(): void {
  const input = byId<HTMLInputElement>('note')
  onPress('notes-retry', async () => {
    if (await attempt(failed)) input.focus()
  })
  onPress('delete-all', async () => {
    await deleteAll()
  })
  byId('add-note').addEventListener('submit', async (event) => {
    event.preventDefault()
    const text = input.value.trim()
    if (text) await addNote(text)
    input.focus()
  })
}
