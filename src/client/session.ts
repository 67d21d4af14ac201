import type { SessionAnswer, SignedOutReason } from '../protocol/session.js'
import type { Session } from './types.js'

/** The snapshot that apps look at, and those who listen to it. */
export function createSnapshot<Claims>(initial: Session<Claims>, report: (error: unknown) => void) {
  let session = initial
  const listeners = new Set<(session: Session<Claims>) => void>()
  // What an app's listener throws is the app's: it must not change how signing in or out ends.
  const tell = (listener: (session: Session<Claims>) => void) => {
    try {
      listener(session)
    } catch (error) {
      report(error)
    }
  }
  return {
    get: () => session,
    set(next: Session<Claims>) {
      if (JSON.stringify(next) === JSON.stringify(session)) return
      session = next
      for (const listener of [...listeners]) tell(listener)
    },
    subscribe(listener: (session: Session<Claims>) => void) {
      // A wrapper, so that the same function subscribed twice is two subscriptions.
      const entry = (current: Session<Claims>) => listener(current)
      listeners.add(entry)
      tell(entry)
      return () => void listeners.delete(entry)
    },
  }
}

export const signedOut = (reason: SignedOutReason): Session<never> => ({ status: 'signed-out', reason })

/** What the backend said, as a session. */
export function sessionOf<Claims>(answer: SessionAnswer<Claims>): Session<Claims> {
  return answer.expires_at === null
    ? signedOut(answer.reason)
    : { status: 'signed-in', user: answer.user, expiresAt: answer.expires_at }
}
