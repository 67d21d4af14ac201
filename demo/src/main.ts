import { SallyportError, type Session } from 'sallyport'
import { auth, takeStrayAnswer } from './auth.js'
import { setUpCountdown } from './countdown.js'
import { drawCounts, watchCounts } from './counts.js'
import { clearDevices, loadDevices, setUpDevices } from './devices.js'
import { byId, onPress, setNotice, setText } from './dom.js'
import { proxied, setUpMode } from './mode.js'
import { clearNotes, loadNotes, setUpNotes } from './notes.js'
import { drawProvider, say, setUpPanel } from './panel.js'
import { drawClock, hideToken, setUpSessionCard } from './session-card.js'
import { explainError, explainSignedOut } from './words.js'

const views = ['pending', 'signed-out', 'unavailable', 'signed-in'] as const
/** Views with their own path. */
const others = ['devices', 'keys', 'agents'] as const
let person: string | undefined
let clearKeys = (): void => {}
let clearAgents = (): void => {}

// Back from sign-out at the provider: the `state` of that request is no longer needed.
if (location.pathname === '/' && /^\?state=/.test(location.search)) history.replaceState(null, '', '/')

setUpNotes()
setUpDevices()
setUpPanel()
setUpMode(say)
setUpSessionCard(say)
setUpCountdown()
watchCounts((state) => {
  drawCounts(state)
  drawProvider(state)
})

/** Goes to the provider, or shows why not. A return by the back button is not a failure. */
const leave = (going: () => Promise<void>) => async () => {
  setNotice('notice', undefined)
  try {
    await going()
  } catch (error) {
    if (!(error instanceof SallyportError && error.code === 'cancelled')) setNotice('notice', explainError(error))
  }
}

// `offline_access` requires consent each time. @see OpenID Connect Core 1.0 section 11
onPress(
  'sign-in',
  leave(() => auth.login({ prompt: 'consent' })),
)
onPress(
  'sign-in-popup',
  leave(() => auth.login({ prompt: 'consent', popup: true })),
)
onPress(
  'sign-out',
  leave(() => auth.logout()),
)
onPress('retry', async () => {
  await auth.ready()
})

auth.subscribe(show)
// After sign-in, the user returns to the page where they were.
addEventListener('popstate', () => show(auth.session))

function show(session: Session): void {
  const { pathname } = location
  const signedIn = session.status === 'signed-in'
  const elsewhere = others.some((name) => pathname === `/${name}`)
  for (const view of views) byId(view).hidden = view !== session.status || (elsewhere && view === 'signed-in')
  for (const name of others) {
    byId(name).hidden = pathname !== `/${name}` || !signedIn
    byId(`to-${name}`).ariaCurrent = pathname === `/${name}` ? 'page' : null
  }
  byId('break').hidden = elsewhere
  byId('who').hidden = session.status !== 'signed-in'
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-needs=session]'))
    button.disabled = session.status !== 'signed-in'
  for (const hint of document.querySelectorAll<HTMLElement>('[data-hint=signed-out]'))
    hint.hidden = session.status !== 'signed-out'
  explain(session)

  const here = session.status === 'signed-in' ? session.user.sub : undefined
  if (session.status === 'signed-in') introduce(session)
  if (here === person) return
  if (here === undefined && session.status === 'signed-out')
    say(`This tab is signed out${proxied ? '' : ', and the token was deleted from its memory at once'}.`)
  person = here
  hideToken()
  clearNotes()
  clearDevices()
  clearKeys()
  clearAgents()
  if (here !== undefined) arrive()
}

function explain(session: Session): void {
  const stray = takeStrayAnswer()
  if (session.status === 'signed-out')
    setNotice('notice', explainSignedOut(session), session.reason === 'callback_failed' ? 'bad' : 'plain')
  else if (session.status === 'signed-in' && stray)
    setNotice('notice', 'A sign-in response that does not belong to this tab was ignored. You are still signed in.')
  else setNotice('notice', undefined)
}

function introduce({ user }: Extract<Session, { status: 'signed-in' }>): void {
  const name = user.name ?? user.preferred_username ?? user.sub
  const words = name.split(/\s+/)
  const initials = [words[0], words.length > 1 ? words.at(-1) : ''].map((word) => word?.[0] ?? '').join('')
  setText('name', name)
  setText('email', user.email ?? '')
  setText('initials', initials.toUpperCase())
}

async function arrive(): Promise<void> {
  // Only then the URL is the one that the user requested.
  await auth.ready()
  if (location.pathname === '/devices') return loadDevices()
  if (location.pathname === '/keys') return arriveAt(loadKeysPart)
  if (location.pathname === '/agents') return arriveAt(loadAgentsPart)
  await loadNotes()
  drawClock()
}

/** Loads a view when it is opened. */
async function arriveAt(load: () => Promise<void>): Promise<void> {
  try {
    await load()
  } catch {
    setNotice('notice', 'A part of this page did not load. Reload it, please.')
  }
}

async function loadKeysPart(): Promise<void> {
  const keys = await import('./keys/index.js')
  clearKeys = keys.clearKeys
  await keys.loadKeys()
}

async function loadAgentsPart(): Promise<void> {
  const agents = await import('./agents/index.js')
  clearAgents = agents.clearAgents
  await agents.loadAgents()
}
