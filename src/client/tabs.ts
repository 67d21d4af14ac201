import type { SignedOutReason } from '../protocol/session.js'

/** Facts that tabs tell each other. Never a token: any script of this origin can listen. */
export type Fact = { signedIn: string } | { signedOut: SignedOutReason }

/**
 * A channel to the other tabs that use the same backend, named by its absolute URL. What arrives is a hint at most:
 * it can end or re-examine what this tab believes, never give it a session or a token.
 */
export function openTabs(backend: string, hear: (fact: Fact) => void) {
  const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(`sallyport ${backend}`) : undefined
  if (channel) channel.onmessage = ({ data }) => isFact(data) && hear(data)
  return {
    tell: (fact: Fact) => channel?.postMessage(fact),
    close: () => channel?.close(),
  }
}

const isFact = (data: unknown): data is Fact =>
  !!data &&
  (typeof (data as { signedIn?: unknown }).signedIn === 'string' ||
    /^(logged_out|expired|revoked|refresh_rejected|refresh_lost)$/.test(
      `${(data as { signedOut?: unknown }).signedOut}`,
    ))
