import { type AuthEvent, type AuthOptions, createAuth } from 'sallyport'
import { afterEach, beforeEach, vi } from 'vitest'
import { APP, ISSUER, type Tab, type World, world } from '../world.js'

export { APP, ISSUER }

/** The document as of now: happy-dom lets a test say where it is. */
export function goTo(url: string): void {
  ;(globalThis as unknown as { happyDOM: { setURL(url: string): void } }).happyDOM.setURL(url)
}

/** One page of the app: an SDK, and what it did. */
export interface Page {
  auth: ReturnType<typeof createAuth>
  events: AuthEvent[]
  /** Paths of the requests to the backend, in order. */
  asked: string[]
  returned: string[]
}

const opened: Page[] = []

/** Loads the app anew in a tab: what was in memory is gone, storage and cookies are not. `create`: of another release. */
export function load(tab: Tab, options: AuthOptions = {}, { now }: Partial<World> = {}, create = createAuth): Page {
  const events: AuthEvent[] = []
  const asked: string[] = []
  const returned: string[] = []
  const auth = create({
    fetch: (input, init) => {
      asked.push(new URL(input instanceof Request ? input.url : `${input}`, APP).pathname)
      return tab.fetch(input, init)
    },
    ...(now && { now }),
    onEvent: (event) => events.push(event),
    ...options,
  })
  const page = { auth, events, asked, returned }
  opened.push(page)
  return page
}

/** What `location.assign` was asked for, once it was. */
export async function redirectUrl(): Promise<string> {
  await vi.waitFor(() => {
    if (!assigned.length) throw new Error('nobody has left yet')
  })
  return assigned.at(-1) ?? ''
}

export const assigned: string[] = []

beforeEach(() => {
  goTo(`${APP}/`)
  sessionStorage.clear()
  localStorage.clear()
  assigned.length = 0
  vi.spyOn(location, 'assign').mockImplementation((url) => void assigned.push(`${url}`))
})

afterEach(() => {
  for (const page of opened.splice(0)) page.auth.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Signs in through the page: login, provider, callback. Returns the page that the callback loaded. */
export async function signInThrough(it: World, tab: Tab, options: AuthOptions = {}, login = {}): Promise<Page> {
  const before = load(tab, options, it)
  before.auth.login(login).catch(() => {})
  const { url } = await tab.navigate(await redirectUrl())
  before.auth.close()
  assigned.length = 0
  vi.mocked(location.assign).mockClear()
  goTo(url)
  const after = load(tab, options, it)
  await after.auth.ready()
  return after
}

/** A world and a page in which alice is signed in. */
export async function signedIn(options: AuthOptions = {}, ...rest: Parameters<typeof world>) {
  const it = await world(...rest)
  const page = await signInThrough(it, it.tab, options)
  return { it, tab: it.tab, page, auth: page.auth }
}
