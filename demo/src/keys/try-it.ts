import { byId, make } from '../dom.js'
import { explainError } from '../words.js'
import { createKey, revokeKey } from './api.js'
import { explainAnswer } from './explain.js'

/** One call, as a program makes it. */
interface Call {
  method: 'GET' | 'POST'
  url: string
  headers: Record<string, string>
}

interface Answer {
  status: number
  text: string
  error: string | undefined
  challenge: string | null
  retryAfter: string | null
}

const many = 25
const chosen = (id: string): string => byId<HTMLInputElement | HTMLSelectElement>(id).value

/** A key that was made and revoked for this purpose, so it may be kept. */
let spent: string | undefined

/** Sends the chosen call, and shows the response. `after` runs when there are new calls to count. */
export function setUpTryIt(after: () => Promise<void>): void {
  const credential = byId<HTMLSelectElement>('try-credential')
  const paste = byId<HTMLInputElement>('try-key')
  const adapt = () => {
    byId('try-paste').hidden = credential.value !== 'key'
    paste.disabled = credential.value !== 'key'
  }
  adapt()
  credential.addEventListener('change', adapt)
  // The browser keeps the URLs of requests, and any script can read them: remove the key.
  new PerformanceObserver((list) => {
    if (list.getEntries().some(({ name }) => name.includes('?api_key='))) performance.clearResourceTimings()
  }).observe({ type: 'resource' })
  byId('try').addEventListener('submit', async (event) => {
    event.preventDefault()
    try {
      const call = callOf(await chosenKey())
      const times = event.submitter?.id === 'try-many' ? many : 1
      show(call, await Promise.all(Array.from({ length: times }, () => send(call))))
      await after()
    } catch (error) {
      byId('tried').replaceChildren(make('p', {}, explainError(error)))
    }
  })
}

/** Clears the view when the user is no longer signed in. */
export function clearTried(): void {
  spent = undefined
  byId('tried').replaceChildren()
  byId<HTMLInputElement>('try-key').value = ''
}

async function chosenKey(): Promise<string | undefined> {
  switch (chosen('try-credential')) {
    case 'none':
      return undefined
    case 'wrong':
      return 'demo_key_of_somebody_else'
    case 'revoked':
      spent ??= await makeSpent()
      return spent
    default:
      return chosen('try-key').trim()
  }
}

async function makeSpent(): Promise<string> {
  const { key, id } = await createKey({ name: 'Made to be refused', scopes: ['notes:read'], expiresIn: 7 * 86_400 })
  await revokeKey(id)
  return key
}

function callOf(key: string | undefined): Call {
  const place = chosen('try-place')
  const carried: Record<string, string> =
    key === undefined || place === 'url'
      ? {}
      : place === 'bearer'
        ? { Authorization: `Bearer ${key}` }
        : { 'X-API-Key': key }
  return {
    method: chosen('try-operation') === 'write' ? 'POST' : 'GET',
    url: key !== undefined && place === 'url' ? `/api/notes?api_key=${encodeURIComponent(key)}` : '/api/notes',
    headers: carried,
  }
}

/** Without the session: no cookie, no token of the page. */
async function send({ method, url, headers }: Call): Promise<Answer> {
  const note = {
    body: JSON.stringify({ text: 'Written with an API key' }),
    headers: { ...headers, 'Content-Type': 'application/json' },
  }
  const response = await fetch(url, { method, headers, credentials: 'omit', ...(method === 'POST' && note) })
  const { error } = response.ok ? {} : await response.json().catch(() => ({}))
  return {
    status: response.status,
    text: `${response.status} ${response.statusText}`,
    error: typeof error === 'string' ? error : undefined,
    challenge: response.headers.get('www-authenticate'),
    retryAfter: response.headers.get('retry-after'),
  }
}

function show(call: Call, answers: Answer[]): void {
  // Of many responses, show a refusal.
  const [answer] = answers.toSorted((a, b) => b.status - a.status)
  if (!answer) return
  const { status, text, error, challenge, retryAfter } = answer
  const tally = [...new Set(answers.map((one) => one.status))].map(
    (one) => `${answers.filter((other) => other.status === one).length} × ${one}`,
  )
  const sent = [
    `${call.method} ${hush(call.url)}`,
    ...Object.entries(call.headers).map(([name, value]) => `${name}: ${hush(value)}`),
  ]
  const outcome = make('p', { className: 'outcome' }, make('b', {}, text), error ? make('code', {}, error) : '')
  outcome.dataset['kind'] = status < 400 ? 'good' : 'bad'
  byId('tried').replaceChildren(
    make('pre', {}, sent.join('\n')),
    answers.length > 1 ? make('p', {}, `${answers.length} responses: ${tally.join(', ')}. One of them:`) : '',
    outcome,
    make(
      'dl',
      {},
      make('div', {}, make('dt', {}, 'WWW-Authenticate'), make('dd', {}, challenge ?? 'not sent')),
      retryAfter === null ? '' : make('div', {}, make('dt', {}, 'Retry-After'), make('dd', {}, `${retryAfter} s`)),
    ),
    make('p', {}, explainAnswer(status, error, retryAfter)),
  )
}

/** The public part of a key: prefix and id. */
const hush = (text: string): string => text.replace(/(\w+_[A-Za-z0-9]{16}_)[A-Za-z0-9]{49}/, '$1…')
