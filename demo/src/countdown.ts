import { watchCountdown } from 'sallyport/countdown'
import { auth } from './auth.js'
import { byId, duration, onPress, setText } from './dom.js'

/** The warning before an idle session ends. Whoever does something here, or in another tab, never sees it. */
export function setUpCountdown(): void {
  watchCountdown(auth, (left) => {
    byId('countdown').hidden = left === undefined
    setText('countdown-left', left === undefined ? '' : duration(left))
  })
  onPress('stay', async () => {
    await auth.extend().catch(() => {})
  })
}
