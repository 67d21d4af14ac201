import type { SessionResponse } from '../../protocol/session.js'
import type { Session } from '../types.js'

/** Calls a function of the app. If it throws, the error is reported and nothing else changes. */
export const callIsolated = <Value>(call: ((value: Value) => void) | undefined, value: Value): void => {
  try {
    call?.(value)
  } catch (error) {
    reportError(error)
  }
}

/** The current session, and the listeners for its changes. */
export function createSnapshot<Claims>(initial: Session<Claims>) {
  let session = initial
  const listeners = new Set<(session: Session<Claims>) => void>()
  return {
    get: () => session,
    set(next: Session<Claims>) {
      if (JSON.stringify(next) === JSON.stringify(session)) return
      session = next
      for (const listener of listeners) callIsolated(listener, session)
    },
    subscribe(listener: (session: Session<Claims>) => void) {
      // A copy, so that the same function can be subscribed twice.
      const entry = listener.bind(null)
      listeners.add(entry)
      callIsolated(entry, session)
      return () => void listeners.delete(entry)
    },
  }
}

export const subOf = (user: unknown) => `${(user as { sub?: string }).sub}`

export const signedIn = <Claims>({ user, expires_at }: { user: Claims; expires_at: number }): Session<Claims> => ({
  status: 'signed-in',
  user,
  // 0: the end is not known.
  expiresAt: expires_at || null,
})

/** The session from the option `initial`. */
export const initialSession = <Claims>(answer: SessionResponse<Claims> | undefined): Session<Claims> => {
  if (!answer) return { status: 'pending' }
  return answer.expires_at === null ? { status: 'signed-out', reason: answer.reason } : signedIn(answer)
}
