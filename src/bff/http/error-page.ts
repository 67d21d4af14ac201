import { html } from 'hono/html'
import type { PlainResponse } from '../../protocol/http/plain-response.js'
import type { BffErrorCode, Refusal } from '../errors.js'
import type { Settings } from '../settings.js'
import { refusalAnswer } from './answers.js'

/** No script runs in the page, and a page that opened it cannot read its URL. */
const contentSecurityPolicy = "sandbox; default-src 'none'; frame-ancestors 'none'"

/** What the user can do, by error code. */
const sentences: Partial<Record<BffErrorCode, string>> = {
  temporarily_unavailable: 'Signing in is not possible right now. Please try again in a moment.',
  too_many_requests: 'Signing in was tried too often in a short time. Please wait a moment, then try again.',
  operator_error: 'Signing in is not possible right now. We have been told.',
  state_mismatch:
    'This sign-in cannot be finished in this browser: it took too long, or other sign-ins were started after it, perhaps in other tabs.',
  transaction_consumed: 'This sign-in is already finished.',
  authorization_error: 'You were not signed in.',
  subject_mismatch: 'Another user signed in than the requested one. Nothing has changed.',
  session_too_large: 'You cannot be signed in, because your account has too much data.',
}

/** A refusal as an HTML page, for navigations. Status, headers and cookies are those of the JSON response. */
export function refusalPage(refusal: Refusal, { basePath }: Settings): PlainResponse {
  const { status, headers, cookies } = refusalAnswer(refusal)
  const sentence = sentences[refusal.code] ?? 'This sign-in cannot be finished, perhaps because it took too long.'
  const page = html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign-in</title>
<h1>Sign-in</h1>
<p role="alert">${sentence}</p>
<p><small>${refusal.code}: ${refusal.message.slice(0, 200)}</small></p>
<p><a href="${basePath}/login">Sign in again</a> · <a href="/">Back to the start</a></p>
`
  return {
    status,
    cookies,
    headers: {
      ...headers,
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': contentSecurityPolicy,
    },
    body: `${page}`,
  }
}
