import { watchCountdown } from 'sallyport/countdown'
import { auth } from './auth.js'
import { byId, duration, onPress, setText } from './dom.js'

/** The warning before an idle session ends. Active users never see it, whichever tab they use. */
export function setUpCountdown(): void {
  watchCountdown(auth, (left) => {
    byId('countdown').hidden = left === undefined
    setText('countdown-left', left === undefined ? '' : duration(left))
  })
  onPress('stay', async () => {
    await auth.extend().catch(() => {})
  })
}
