import type { SignedOutReason } from '../../protocol/session.js'

/** A message between tabs. Never has a token in it: any script of this origin can listen. */
export interface TabMessage {
  /** `sub` of the user who has signed in, or whose session goes on. */
  in?: string
  out?: SignedOutReason
}

/**
 * A channel to the other tabs of the same backend, named by its absolute URL. A message can end the session of this tab or
 * make it ask the backend. It can never give it a session or a token.
 *
 * Throws where the browser refuses it, for example Firefox with blocked cookies.
 */
export function openTabs(
  backend: string,
  onMessage: (message: TabMessage) => void,
): { postMessage(message: TabMessage): void; close(): void } {
  const channel = new BroadcastChannel(`sallyport ${backend}`)
  channel.onmessage = ({ data }) => {
    if (typeof data?.in === 'string' || /^(logged_out|expired|revoked|refresh_(rejected|lost))$/.test(data?.out))
      onMessage(data)
  }
  return channel
}
