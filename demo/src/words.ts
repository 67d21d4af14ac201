import { SallyportError, type Session } from 'sallyport'

/** An error whose message may be shown to users. */
export class Refusal extends Error {}

/** Tells the user why they are not signed in. `undefined`: there is nothing to explain. */
export function explainSignedOut(session: Extract<Session, { status: 'signed-out' }>): string | undefined {
  switch (session.reason) {
    case 'none':
      return undefined
    case 'logged_out':
      return 'You are signed out.'
    case 'expired':
      return 'Your session has expired. Please sign in again.'
    case 'revoked':
      return 'Your session was ended on another device, or at the provider. Please sign in again.'
    case 'refresh_rejected':
    case 'refresh_lost':
      return 'Your session could not be continued. Please sign in again.'
    case 'user_changed':
      return 'Another user has signed in in another tab. Reload this page to continue as that user.'
    case 'callback_failed':
      return explainError(session.error)
  }
}

const sentences: Record<string, string> = {
  login_unavailable: 'Sign-in is temporarily unavailable: the provider does not respond. Please try again in a moment.',
  sign_in_unavailable: 'The provider did not respond at the end of the sign-in. Please try again in a moment.',
  storage_unavailable: 'Your browser blocks the storage that sign-in needs. Allow site data and try again.',
  state_mismatch: 'This response does not belong to a sign-in of this tab. Please start again here.',
  transaction_expired: 'Sign-in took more than ten minutes. Please start again.',
  transaction_consumed: 'This sign-in was already used. Please start again.',
  sign_in_rejected: 'The provider no longer accepts this sign-in. Please start again.',
  id_token_invalid: 'The provider’s response did not pass our checks, so you were not signed in.',
  issuer_mismatch: 'The response came from another provider, so you were not signed in.',
  popup_blocked: 'Your browser blocked the sign-in window. Allow popups for this page, or sign in without a popup.',
  popup_closed: 'The sign-in window was closed. Nothing has changed.',
  popup_timeout: 'Sign-in took too long. Please try again.',
  login_loop: 'Sign-in failed several times. Press the button to try again.',
  step_up_failed: 'The notes server requires a newer sign-in than the provider’s. Please try again.',
  logout_failed: 'Your session may still be open, because our server did not respond. Please sign out again.',
  login_required: 'You are no longer signed in.',
  refresh_unavailable: 'A new token is temporarily unavailable. You are still signed in; please try again in a moment.',
  backend_unavailable: 'We cannot reach our server. Please try again in a moment.',
  chunk_unavailable: 'A part of this page did not load. Please try again.',
}

/** Tells the user what went wrong. Messages of a server are never shown unchanged. */
export function explainError(error: unknown): string {
  if (error instanceof Refusal) return error.message
  const code = error instanceof SallyportError ? error.code : undefined
  if (code === 'authorization_error') {
    const { error: said } = (error as { cause?: { error?: string } }).cause ?? {}
    return said === 'access_denied'
      ? 'You did not give access, so you are not signed in. The app got no data about you.'
      : 'The provider refused to sign you in. Please try again.'
  }
  if (error instanceof TypeError && code === undefined) return 'The server cannot be reached. Are you online?'
  return sentences[code ?? ''] ?? 'Something went wrong. Please try again.'
}
