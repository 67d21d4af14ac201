import type { SignedOutReason } from '../../protocol/session.js'

/** Facts that tabs tell each other. Never a token: any script of this origin can listen. */
export interface TabMessage {
  /** The subject that has signed in, or whose session goes on. */
  in?: string
  out?: SignedOutReason
}

/**
 * A channel to the other tabs that use the same backend, named by its absolute URL. What arrives is a hint at most:
 * it can end or re-examine what this tab believes, never give it a session or a token.
 *
 * Throws where the browser refuses it, as Firefox does when cookies are blocked.
 */
export function openTabs(
  backend: string,
  hear: (fact: TabMessage) => void,
): { postMessage(fact: TabMessage): void; close(): void } {
  const channel = new BroadcastChannel(`sallyport ${backend}`)
  channel.onmessage = ({ data }) => {
    if (typeof data?.in === 'string' || /^(logged_out|expired|revoked|refresh_(rejected|lost))$/.test(data?.out))
      hear(data)
  }
  return channel
}
