import { SallyportError, type Session } from 'sallyport'

/** Thrown with words that may be shown. */
export class Refusal extends Error {}

/** Why nobody is signed in, for the person it happened to. `undefined`: there is nothing to explain. */
export function explainSignedOut(session: Extract<Session, { status: 'signed-out' }>): string | undefined {
  switch (session.reason) {
    case 'none':
      return undefined
    case 'logged_out':
      return 'You are signed out.'
    case 'expired':
      return 'Your session has ended, because it was old or unused for long. Please sign in again.'
    case 'revoked':
      return 'Your session was ended elsewhere: on another of your devices, or at the provider. Please sign in again.'
    case 'refresh_rejected':
    case 'refresh_lost':
      return 'Your session could not be continued. Please sign in again.'
    case 'user_changed':
      return 'Somebody else has signed in in another tab. Reload this page to go on as that person.'
    case 'callback_failed':
      return explainError(session.error)
  }
}

const sentences: Record<string, string> = {
  login_unavailable:
    'Signing in is not possible right now: the provider does not answer. Please try again in a moment.',
  sign_in_unavailable: 'The provider did not answer when we finished signing you in. Please try again in a moment.',
  storage_unavailable:
    'Your browser does not let this page remember that you started to sign in. Allow site data and try again.',
  state_mismatch: 'This answer belongs to no sign-in that was started in this tab. Please start again here.',
  transaction_expired: 'Signing in took more than ten minutes. Please start again.',
  transaction_consumed: 'This sign-in was already used. Please start again.',
  sign_in_rejected: 'The provider no longer accepts this sign-in. Please start again.',
  id_token_invalid: 'The provider’s answer did not pass our checks, so nobody was signed in.',
  issuer_mismatch: 'The answer came from another provider than ours, so nobody was signed in.',
  popup_blocked: 'Your browser blocked the window for signing in. Allow popups for this page, or sign in without.',
  popup_closed: 'The window for signing in was closed. Nothing has changed.',
  popup_timeout: 'Signing in took too long. Please try again.',
  login_loop: 'Signing in again and again does not help. Press the button to try once more.',
  step_up_failed: 'The notes server wants a fresher sign-in than the provider gave. Please try again.',
  logout_failed: 'Your session may still be open, because our server did not answer. Please sign out again.',
  login_required: 'You are no longer signed in.',
  refresh_unavailable: 'No new token can be had right now. You are still signed in; please try again in a moment.',
  backend_unavailable: 'We cannot reach our server. Please try again in a moment.',
  chunk_unavailable: 'A part of this page did not load. Please try again.',
}

/** What went wrong, for the person it happened to. Words of a server are never shown as they come. */
export function explainError(error: unknown): string {
  if (error instanceof Refusal) return error.message
  const code = error instanceof SallyportError ? error.code : undefined
  if (code === 'authorization_error') {
    const { error: said } = (error as { cause?: { error?: string } }).cause ?? {}
    return said === 'access_denied'
      ? 'You did not give access, so nobody is signed in. The app has learned nothing about you.'
      : 'The provider refused to sign you in. Please try again.'
  }
  if (error instanceof TypeError && code === undefined) return 'The server cannot be reached. Are you online?'
  return sentences[code ?? ''] ?? 'Something went wrong. Please try again.'
}
