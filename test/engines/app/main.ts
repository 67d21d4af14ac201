import { type Auth, createAuth, type SallyportError } from 'sallyport'

declare global {
  interface Window {
    auth: Auth
    /** What the last button came to. */
    outcome: string | undefined
    retry: SallyportError['retry']
    /** What each body says. */
    text: string
    /** Sends a body of this kind, and says what the API got. */
    post(kind: string, path: string): Promise<unknown>
    unexpected: string[]
    /** Calls everything, and says what came of it: an error's code, or its text where it has none. `last`: also what may leave. */
    probe(last?: boolean): Promise<Record<string, string>>
  }
}

window.unexpected = []
addEventListener('unhandledrejection', ({ reason }) => window.unexpected.push(`${reason}`))
addEventListener('error', ({ message }) => window.unexpected.push(message))

const { redirect_uri, route } = await (await fetch('/settings.json')).json()
const auth = createAuth({ redirect_uri, apis: route ? { [`${location.origin}/echo`]: { route } } : {} })
// The test asks it; an app has no reason to put it there.
window.auth = auth

const text = 'naïve ☃ '.repeat(400)
window.text = text

const bodies: Record<string, () => BodyInit> = {
  text: () => text,
  form() {
    const form = new FormData()
    form.set('text', text)
    form.set('file', new File([text], 'a.txt', { type: 'text/plain' }))
    return form
  },
  pairs: () => new URLSearchParams({ text }),
  blob: () => new Blob([text], { type: 'text/plain' }),
  bytes: () => new TextEncoder().encode(text),
  stream: () => new Blob([text]).stream(),
}

window.post = async (kind, path) => {
  const [, inRequest, name = ''] = /^(Request of )?(\w+)$/.exec(kind) ?? []
  const init = { method: 'POST', body: bodies[name]?.() ?? null, ...(name === 'stream' && { duplex: 'half' }) }
  const response = await (inRequest ? auth.fetch(new Request(path, init)) : auth.fetch(path, init))
  return response.json()
}

async function settle(work: Promise<unknown> | undefined) {
  window.outcome = undefined
  try {
    const value = await work
    window.outcome = value instanceof Response ? await value.text() : 'done'
  } catch (error) {
    window.outcome = (error as SallyportError).code ?? `${error}`
    window.retry = (error as SallyportError).retry
  }
}

const on = (id: string, work: () => Promise<unknown> | undefined) =>
  document.getElementById(id)?.addEventListener('click', () => settle(work()))

const within = (work: Promise<unknown>) =>
  Promise.race([
    work.then(
      () => 'done',
      (error) => error.code ?? String(error),
    ),
    new Promise<string>((resolve) => setTimeout(resolve, 3000, 'pending')),
  ])

window.probe = async (last = true) => {
  const session = await auth.ready().catch((error) => ({ status: `rejected: ${error}` }))
  return {
    ready: session.status,
    popup: await within(auth.login({ popup: true })),
    token: await within(auth.getToken()),
    fetch: await within(auth.fetch('/echo')),
    extend: await within(auth.extend()),
    logout: await within(auth.logout({ local: true })),
    diagnostics: await within(auth.diagnostics()),
    ...(last && { login: await within(auth.login()) }),
    unexpected: window.unexpected.join(),
  }
}
if (window.parent !== window) window.probe().then((found) => window.parent.postMessage(found, '*'))

on('popup', () => auth.login({ popup: true }))
on('step', () => auth.fetch('/step', { method: 'POST', body: text }, { stepUp: 'popup' }))
on('retry', () => window.retry?.())
auth.subscribe((session) => {
  const said = document.getElementById('said')
  if (said) said.textContent = session.status
})
