import { auth, lookAtToken, tokenClock } from './auth.js'
import { type DemoState, expireToken, killInstance, readState, setProvider } from './controls.js'
import { drawCounts } from './counts.js'
import { byId, onPress, plural, setText } from './dom.js'
import { drawLeft } from './left.js'
import { proxied } from './mode.js'
import { loadNotes } from './notes.js'
import { drawClock } from './session-card.js'
import { explainError } from './words.js'

/** More than any token has left: asks for a fresh one as urgently as `getToken()` can be asked. */
const fresh = { minValidity: 86_400 }

/** The one sentence about what just happened, and an end to the list of an earlier hunt. */
export function say(sentence: string): void {
  byId('hunted').hidden = true
  setText('happened', sentence)
}

/** Runs an experiment and tells how much it took. */
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
      `The second tab asks the backend one question, who is here${proxied ? '' : ', and has a token of its own with the answer'}.`,
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
      ? `1,000 callers, no request: ${same}, from memory, for more than half of its life is left. Try again when less is.`
      : `1,000 callers asked for a fresh token: ${plural(bff, 'request')} to the backend, ${plural(renewals, 'renewal')} at the provider, and ${same}.`,
  )
}

async function refuseToken(): Promise<void> {
  // A token near its end would be renewed before the call, and there would be no refusal to see.
  if (!proxied) await auth.getToken()
  for (let { wait } = await expireToken(); wait > 0; { wait } = await expireToken()) {
    say(
      `The backend replaces no token younger than 10 seconds, lest a broken API make it renew without end. Waiting ${plural(wait, 'second')} …`,
    )
    await new Promise((resolve) => setTimeout(resolve, wait * 1000))
  }
  let shown = false
  const { api, renewals } = await measure(async () => {
    shown = await loadNotes()
  })
  if (!shown)
    say('The API refused the token, and no other one could be had. You are still signed in; try again in a moment.')
  else if (api < 2)
    say('The token was near its end and was renewed before the call, so the API saw no refused one. Try again.')
  else
    say(
      `The API answered 401. The ${proxied ? 'backend' : 'SDK'} asked for another token (${plural(renewals, 'renewal')}), sent the request once more, and here are your notes.`,
    )
}

async function toggleProvider(): Promise<void> {
  const { provider } = await readState()
  const state = await setProvider(!provider.running)
  drawProvider(state)
  if (state.provider.running)
    return say('The provider is back. Nobody has to do anything: the next renewal works again.')
  if (auth.session.status !== 'signed-in')
    return say('The provider is stopped: signing in says so, and the page goes on.')
  if (proxied) {
    const served = await loadNotes()
    return say(
      `The provider is stopped. You are still signed in, and ${served ? 'the backend’s token still serves' : 'there is no token until it is back'}. Only a provider that says no ends a session.`,
    )
  }
  const outcome = await auth.getToken(fresh).then(
    () => `the token in memory still serves for ${plural(Math.floor(tokenClock().left ?? 0), 'second')}`,
    () => 'there is no token until it is back',
  )
  await lookAtToken()
  say(`The provider is stopped. You are still signed in, and ${outcome}. Only a provider that says no ends a session.`)
}

async function killBackend(): Promise<void> {
  const { instances } = await readState()
  if (instances.filter(({ alive }) => alive).length < 2)
    return say('Only one process is left, and it serves everybody. Start the demo again for two.')
  drawCounts(await killInstance())
  const outcome = await auth.getToken(fresh).then(
    () => 'the next token came from one that is left',
    () => 'there is no new token yet; it is asked for again',
  )
  return say(`A backend process was killed. You are still signed in, and ${outcome}: sessions live in the store.`)
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
