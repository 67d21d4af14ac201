import { auth, lookAtToken, tokenClock } from './auth.js'
import { type DemoState, expireToken, killInstance, readState, setProvider } from './controls.js'
import { drawCounts } from './counts.js'
import { byId, onPress, plural, setText } from './dom.js'
import { drawLeft } from './left.js'
import { proxied } from './mode.js'
import { loadNotes } from './notes.js'
import { drawClock } from './session-card.js'
import { explainError } from './words.js'

/** More than the lifetime of any token: makes `getToken()` request a new one. */
const fresh = { minValidity: 86_400 }

/** Shows what just happened, and hides the list of an earlier search. */
export function say(sentence: string): void {
  byId('hunted').hidden = true
  setText('happened', sentence)
}

/** Runs an experiment and counts its requests. */
async function measure(work: () => Promise<unknown>) {
  const before = await readState()
  await work()
  await lookAtToken()
  drawClock()
  const after = await readState()
  drawCounts(after)
  return {
    bff: after.requests.bff - before.requests.bff,
    api: after.requests.api - before.requests.api,
    renewals: after.grants.refresh_token - before.grants.refresh_token,
  }
}

const attempt = (id: string, work: () => Promise<void>) =>
  onPress(id, async () => {
    try {
      await work()
    } catch (error) {
      say(explainError(error))
    }
  })

export function setUpPanel(): void {
  attempt('try-thousand', askThousandTimes)
  attempt('try-expire', refuseToken)
  attempt('try-provider', toggleProvider)
  attempt('try-hunt', huntForTokens)
  attempt('try-kill', killBackend)
  drawLeft()
  byId('try-tab').addEventListener('click', () =>
    say(
      `The second tab makes one request to the backend, for the session${proxied ? '' : ', and gets its own token with the response'}.`,
    ),
  )
}

async function askThousandTimes(): Promise<void> {
  let outcomes: PromiseSettledResult<string>[] = []
  const { bff, renewals } = await measure(async () => {
    outcomes = await Promise.allSettled(Array.from({ length: 1000 }, () => auth.getToken(fresh)))
  })
  const tokens = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
  if (tokens.length < 1000) {
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    say(
      `${plural(1000 - tokens.length, 'caller')} of 1,000 got no token, after ${plural(bff, 'request')}. ${explainError(failed?.reason)}`,
    )
    return
  }
  const same = new Set(tokens).size === 1 ? 'all 1,000 got the same token' : 'the callers got different tokens'
  say(
    bff === 0
      ? `1,000 callers, no request: ${same}, from memory, because more than half of its lifetime is left. Try again later.`
      : `1,000 callers requested a new token: ${plural(bff, 'request')} to the backend, ${plural(renewals, 'renewal')} at the provider, and ${same}.`,
  )
}

async function refuseToken(): Promise<void> {
  // A token that is about to expire would be renewed before the call, so the API would not refuse it.
  if (!proxied) await auth.getToken()
  for (let { wait } = await expireToken(); wait > 0; { wait } = await expireToken()) {
    say(
      `The backend replaces no token younger than 10 seconds, so that a broken API cannot cause endless renewals. Waiting ${plural(wait, 'second')} …`,
    )
    await new Promise((resolve) => setTimeout(resolve, wait * 1000))
  }
  let shown = false
  const { api, renewals } = await measure(async () => {
    shown = await loadNotes()
  })
  if (!shown)
    say('The API refused the token, and no other token was available. You are still signed in; try again in a moment.')
  else if (api < 2)
    say('The token was about to expire and was renewed before the call, so the API did not refuse it. Try again.')
  else
    say(
      `The API responded with 401. The ${proxied ? 'backend' : 'SDK'} requested another token (${plural(renewals, 'renewal')}) and repeated the request. Your notes are loaded.`,
    )
}

async function toggleProvider(): Promise<void> {
  const { provider } = await readState()
  const state = await setProvider(!provider.running)
  drawProvider(state)
  if (state.provider.running)
    return say('The provider is back. You need not do anything: the next renewal works again.')
  if (auth.session.status !== 'signed-in')
    return say('The provider is stopped: a sign-in shows an error, and the page still works.')
  if (proxied) {
    const served = await loadNotes()
    return say(
      `The provider is stopped. You are still signed in, and ${served ? 'the backend’s token is still valid' : 'there is no token until it is back'}. Only a refusal by the provider ends a session.`,
    )
  }
  const outcome = await auth.getToken(fresh).then(
    () => `the token in memory is still valid for ${plural(Math.floor(tokenClock().left ?? 0), 'second')}`,
    () => 'there is no token until it is back',
  )
  await lookAtToken()
  say(
    `The provider is stopped. You are still signed in, and ${outcome}. Only a refusal by the provider ends a session.`,
  )
}

async function killBackend(): Promise<void> {
  const { instances } = await readState()
  if (instances.filter(({ alive }) => alive).length < 2)
    return say('Only one process is left, and it serves all requests. Restart the demo for two.')
  drawCounts(await killInstance())
  const outcome = await auth.getToken(fresh).then(
    () => 'the next token came from a remaining process',
    () => 'there is no new token yet; the page asks again',
  )
  return say(`A backend process was killed. You are still signed in, and ${outcome}: sessions are in the store.`)
}

export function drawProvider({ provider }: DemoState): void {
  setText('try-provider', provider.running ? 'Stop the provider' : 'Start the provider')
}

async function huntForTokens(): Promise<void> {
  say('Looking …')
  const { report } = await import('./hunt/report.js')
  await report(async () => {
    if (auth.session.status !== 'signed-in') return
    await loadNotes()
    await auth.getToken(fresh).catch(() => {})
  })
  await lookAtToken()
}
