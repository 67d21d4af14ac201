import type { SessionResponse } from '../../protocol/session.js'
import type { Session } from '../types.js'

/** Runs what belongs to the app: what it throws is reported as the app's and changes nothing here. */
export const isolated = <Value>(call: ((value: Value) => void) | undefined, value: Value): void => {
  try {
    call?.(value)
  } catch (error) {
    reportError(error)
  }
}

/** The snapshot that apps look at, and those who listen to it. */
export function createSnapshot<Claims>(initial: Session<Claims>) {
  let session = initial
  const listeners = new Set<(session: Session<Claims>) => void>()
  return {
    get: () => session,
    set(next: Session<Claims>) {
      if (JSON.stringify(next) === JSON.stringify(session)) return
      session = next
      for (const listener of listeners) isolated(listener, session)
    },
    subscribe(listener: (session: Session<Claims>) => void) {
      // A wrapper, so that the same function subscribed twice is two subscriptions.
      const entry = listener.bind(null)
      listeners.add(entry)
      isolated(entry, session)
      return () => void listeners.delete(entry)
    },
  }
}

export const subOf = (user: unknown) => `${(user as { sub?: string }).sub}`

export const signedIn = <Claims>({ user, expires_at }: { user: Claims; expires_at: number }): Session<Claims> => ({
  status: 'signed-in',
  user,
  // 0: nobody can say.
  expiresAt: expires_at || null,
})

/** What the server guessed while it rendered the page. */
export const initialSession = <Claims>(answer: SessionResponse<Claims> | undefined): Session<Claims> => {
  if (!answer) return { status: 'pending' }
  return answer.expires_at === null ? { status: 'signed-out', reason: answer.reason } : signedIn(answer)
}
