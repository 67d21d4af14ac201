import { auth } from './auth.js'
import { browserName } from './browser-name.js'
import { byId, onPress, setText } from './dom.js'
import { backend } from './mode.js'
import { fromNow } from './time.js'

/** A session of this user, from `GET /sessions` of the backend. Times in epoch seconds. */
interface Device {
  id: string
  current: boolean
  created: number
  last_used: number
  expires_at: number
  user_agent: string
}

const headers = { 'Sallyport-CSRF': '1' }
const list = byId('device-list')

export function setUpDevices(): void {
  onPress('devices-retry', loadDevices)
  onPress('everywhere', signOutEverywhere)
}

/** Shows where this user is signed in. */
export async function loadDevices(): Promise<void> {
  await attempt(async () => {
    list.setAttribute('aria-busy', 'true')
    const response = await fetch(`${backend}/sessions`, { headers })
    const { items } = (await read(response)) as { items: Device[] }
    list.replaceChildren(...items.map(item))
  })
  list.removeAttribute('aria-busy')
}

/** Clears the view when the user is no longer signed in. */
export function clearDevices(): void {
  list.replaceChildren()
  setText('devices-status', '')
  byId('devices-error').hidden = true
}

async function attempt(work: () => Promise<void>): Promise<void> {
  byId('devices-error').hidden = true
  try {
    await work()
  } catch (error) {
    const offline = error instanceof TypeError
    setText('devices-error-text', offline ? 'The server cannot be reached. Are you online?' : (error as Error).message)
    byId('devices-error').hidden = false
  }
}

async function read(response: Response): Promise<unknown> {
  if (response.ok) return response.json()
  throw new Error(
    response.status === 401
      ? 'You are no longer signed in. Reload this page.'
      : 'The server does not respond. You are still signed in; please try again in a moment.',
  )
}

function item({ id, current, created, last_used, user_agent }: Device): HTMLElement {
  const entry = document.createElement('li')
  const name = document.createElement('p')
  const when = document.createElement('p')
  name.id = `device-${id}`
  name.textContent = browserName(user_agent)
  name.append(...(current ? [badge('This device')] : []))
  when.className = 'small'
  when.textContent = `Last used ${fromNow(last_used)} · signed in ${fromNow(created)}`
  entry.append(name, when)
  if (!current) entry.append(signOutButton(id, browserName(user_agent)))
  return entry
}

function badge(text: string): HTMLElement {
  const mark = document.createElement('span')
  mark.className = 'badge'
  mark.textContent = text
  return mark
}

function signOutButton(id: string, name: string): HTMLElement {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Sign out'
  button.setAttribute('aria-describedby', `device-${id}`)
  button.addEventListener('click', () =>
    attempt(async () => {
      const response = await fetch(`${backend}/sessions/${id}`, { method: 'DELETE', headers })
      // Another request was faster: the device is signed out anyway.
      if (response.status !== 404) await read(response)
      await loadDevices()
      setText(
        'devices-status',
        `${name} is signed out. Its page shows that at the next request, or when it comes into view.`,
      )
      byId('devices-title').focus()
    }),
  )
  return button
}

/** Also this device: the backend returns the next URL. */
async function signOutEverywhere(): Promise<void> {
  await attempt(async () => {
    const body = new URLSearchParams({ everywhere: 'true' })
    const { location: next } = (await read(await fetch(`${backend}/logout`, { method: 'POST', headers, body }))) as {
      location: string | null
    }
    // The SDK notifies the other tabs of this browser.
    if (!next) await auth.logout({ local: true })
    location.assign(next ?? '/')
  })
}
