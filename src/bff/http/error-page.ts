import { html } from 'hono/html'
import type { PlainResponse } from '../../protocol/http/plain-response.js'
import type { BffErrorCode, Refusal } from '../errors.js'
import type { Settings } from '../settings.js'
import { refusalAnswer } from './answers.js'

/** A script that opened this page cannot read its address, and nothing in it runs. */
const contentSecurityPolicy = "sandbox; default-src 'none'; frame-ancestors 'none'"

/** What a person can do about it, by what happened; starting again is the rest. */
const sentences: Partial<Record<BffErrorCode, string>> = {
  temporarily_unavailable: 'Signing in is not possible right now. Please try again in a moment.',
  too_many_requests: 'Signing in was tried too often in a short time. Please wait a moment, then try again.',
  operator_error: 'Signing in is not possible right now. We have been told.',
  state_mismatch:
    'This sign-in cannot be finished in this browser: it took too long, or others were begun after it, perhaps in other tabs.',
  transaction_consumed: 'This sign-in has been finished already.',
  authorization_error: 'You were not signed in.',
  subject_mismatch: 'Somebody else signed in than the person who was asked to. Nothing has changed.',
  session_too_large: 'You cannot be signed in, because your account brings more data than fits.',
}

/** A refusal as a page, for whoever has navigated here: the same status, headers and cookies as the answer in JSON. */
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
