import { auth, lookAtToken, tokenClock } from './auth.js'
import { byId, duration, onPress, plural, setText } from './dom.js'
import { explainError } from './words.js'

/** Seconds for which a revealed token stays on the page. */
const shown = 15
let hiding: ReturnType<typeof setTimeout> | undefined

/** The card beside the notes: the remaining time of session and token, and on demand the token itself. */
export function setUpSessionCard(say: (sentence: string) => void): void {
  setInterval(drawClock, 500)
  onPress('ask-token', async () => {
    const before = tokenClock().renewals
    try {
      await auth.getToken()
      await lookAtToken()
      say(
        tokenClock().renewals > before
          ? 'The token was about to expire: getToken() renewed it, once.'
          : 'The token in memory is still valid: getToken() returned it without a request.',
      )
    } catch (error) {
      say(explainError(error))
    }
    drawClock()
  })
  onPress('reveal-token', async () => {
    try {
      byId('token').textContent = await auth.getToken()
    } catch (error) {
      say(explainError(error))
    }
    clearTimeout(hiding)
    hiding = setTimeout(hideToken, shown * 1000)
  })
  byId('reveal').addEventListener('toggle', hideToken)
}

/** Removes a shown token from the page. */
export function hideToken(): void {
  clearTimeout(hiding)
  byId('token').textContent = ''
}

export function drawClock(): void {
  const { session } = auth
  if (document.hidden || session.status !== 'signed-in') return
  const { left, lifetime, renewals } = tokenClock()
  const bar = byId<HTMLProgressElement>('token-bar')
  setText('session-left', session.expiresAt === null ? 'not known' : duration(session.expiresAt - Date.now() / 1000))
  setText('renewals', plural(renewals, 'time'))
  setText('token-left', left === undefined ? 'none now' : left < 1 ? 'expired' : `${duration(left)} left`)
  bar.value = left === undefined ? 0 : Math.min(1, left / lifetime)
}
