import { SallyportError, type SallyportErrorOptions } from '../protocol/error.js'

/** Errors of a sign-in, code → message. */
export const signInErrors = {
  login_unavailable: 'Sign-in cannot start: the backend or the provider cannot be reached. Try again later.',
  login_loop:
    'This tab starts one sign-in after another, and each session ends at once. See cause.last; call auth.login() from a click, or less often.',
  popup_blocked:
    "The browser blocked the popup. Call auth.login() in the click, before any await, or use popup: 'or-redirect'.",
  popup_closed: 'The popup was closed before the sign-in was finished.',
  popup_timeout: 'The sign-in in the popup was not finished within ten minutes.',
  redirect_uri_unregistered:
    'Redirect URI not registered. Register it at the provider and in the backend\'s "redirect_uris", character for character:',
  storage_unavailable: 'Sign-in needs sessionStorage, but the browser refuses it or it is full.',
  state_mismatch: 'This answer belongs to no sign-in that was started in this tab. Start again with auth.login().',
  transaction_expired: 'This sign-in was started more than ten minutes ago. Start again with auth.login().',
  transaction_consumed: 'This sign-in is already finished.',
  sign_in_superseded:
    'This sign-in is over: too many others were started in this browser after it, or the user signed out. If no user is signed in now, start again with auth.login().',
  authorization_error: 'The provider refused the sign-in. See cause; show its text as text, never as HTML.',
  id_token_invalid: 'The backend refused the ID Token. See cause for the claim.',
  issuer_mismatch:
    'The issuer in the provider\'s metadata is not the configured one. Compare "issuer" character for character.',
  session_too_large: 'The session does not fit into its cookies. Let fewer claims through at the backend.',
  sign_in_rejected: 'The code was refused. See cause; start again with auth.login().',
  sign_in_unavailable:
    'The backend or the provider could not be reached to finish signing in. Start again with auth.login().',
} as const

export type SignInErrorCode = keyof typeof signInErrors

export const signInError = (code: SignInErrorCode, options?: SallyportErrorOptions): SallyportError<SignInErrorCode> =>
  new SallyportError(code, signInErrors[code], options)

/** Whether the backend's `error` is one of the codes above. */
export const isSignInCode = (code: string | undefined): code is SignInErrorCode =>
  code !== undefined && Object.hasOwn(signInErrors, code)
