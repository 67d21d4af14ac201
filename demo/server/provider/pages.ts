import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { demoFolder } from '../folder.js'
import { alice, bob } from './people.js'

export const stylesheet = readFileSync(join(demoFolder(), 'server/provider/pages.css'), 'utf8')

/** HTML that was escaped, or is a constant here. */
class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A template whose values are escaped, unless this function made them. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): Markup {
  const write = (value: unknown): string => {
    if (value instanceof Markup) return value.text
    if (Array.isArray(value)) return value.map(write).join('')
    return `${value ?? ''}`.replace(/[&<>"']/g, (character) => entities[character] ?? '')
  }
  return new Markup(strings.map((string, at) => string + (at < values.length ? write(values[at]) : '')).join(''))
}

/** Markup of oidc-provider: its logout form with the anti-CSRF field. */
export const trusted = (text: string): Markup => new Markup(text)

const document = (title: string, body: Markup, head: Markup = html``): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Looking Glass ID</title>
<link rel="stylesheet" href="/assets/pages.css">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
${head}
</head>
<body>
<main class="card">
<p class="brand"><img src="/assets/icon.svg" alt="" width="28" height="28"> Looking Glass ID</p>
${body}
</main>
<p class="foot">A real OpenID provider, embedded in the demo. It has another host than the app, as in production.</p>
</body>
</html>`.text

export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 28 28"><title>Looking Glass ID</title><rect width="28" height="28" rx="8" fill="#6d3fc4"/><ellipse cx="14" cy="12" rx="6" ry="7.5" fill="none" stroke="#fff" stroke-width="2.2"/><path d="M14 19.5V24M10.5 24h7" stroke="#fff" stroke-width="2.2" stroke-linecap="round"/></svg>`

export interface LoginPage {
  uid: string
  app: string
  username?: string | undefined
  failed?: boolean
}

export const loginPage = ({ uid, app, username = alice.username, failed = false }: LoginPage): string =>
  document(
    'Sign in',
    html`<h1>Sign in</h1>
<p class="lead">to continue to <strong>${app}</strong></p>
${failed ? html`<p class="alert" role="alert" id="wrong">The user name or the password is wrong. Please try again.</p>` : ''}
<form method="post" action="/interaction/${uid}/login">
<label for="username">User name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required ${failed ? html`aria-describedby="wrong"` : ''}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus ${failed ? html`aria-invalid="true" aria-describedby="wrong hint"` : html`aria-describedby="hint"`}>
<div class="hint" id="hint">
<p>This is a demo. Sign in with:</p>
<dl><dt>User name</dt><dd><code>${alice.username}</code></dd><dt>Password</dt><dd><code>${alice.password}</code></dd></dl>
<p class="small">The administrator, who approves requests of agents: <code>${bob.username}</code>, <code>${bob.password}</code></p>
</div>
<button type="submit" class="primary">Sign in</button>
</form>
<form method="post" action="/interaction/${uid}/cancel"><button type="submit" class="quiet">Cancel and go back</button></form>`,
  )

export interface ConsentPage {
  uid: string
  app: string
  name: string
  scopes: readonly string[]
}

/** The app asks for the details, for each agent. */
const forAgents = 'Let your agents act for you, with your consent for each'

const scopeWords: Record<string, string> = {
  openid: 'Know that it is you',
  profile: 'See your name and language',
  email: 'See your e-mail address',
  offline_access: 'Keep you signed in',
  'notes:read': 'Read your notes',
  'notes:write': 'Write and delete your notes',
  'data:read': forAgents,
  'data:write': forAgents,
  'external:invoke': forAgents,
  'exec:sandbox': forAgents,
}

export const consentPage = ({ uid, app, name, scopes }: ConsentPage): string =>
  document(
    'Give access',
    html`<h1>Give access?</h1>
<p class="lead">Hello, ${name}. <strong>${app}</strong> would like to:</p>
<ul class="scopes">${[...new Set(scopes.map((scope) => scopeWords[scope] ?? scope))].map((words) => html`<li>${words}</li>`)}</ul>
<div class="pair">
<form method="post" action="/interaction/${uid}/consent"><button type="submit" class="primary" autofocus>Allow</button></form>
<form method="post" action="/interaction/${uid}/cancel"><button type="submit">Deny</button></form>
</div>
<p class="small">You can refuse: the app then gets no data about you.</p>`,
  )

/** Shown when the app could not prove which user it signs out; otherwise a script presses the button. */
export const logoutPage = (form: string, sure: boolean): string =>
  document(
    'Sign out',
    html`<h1>${sure ? 'Signing out…' : 'Sign out here as well?'}</h1>
<p class="lead">${sure ? 'One moment.' : 'The app has signed you out. You are still signed in at Looking Glass ID.'}</p>
${trusted(form)}
<div class="pair">
<button type="submit" form="op.logoutForm" name="logout" value="yes" class="primary" id="yes" autofocus>Yes, sign me out</button>
${sure ? '' : html`<button type="submit" form="op.logoutForm">No, stay signed in</button>`}
</div>`,
    sure ? html`<script src="/assets/logout.js" defer></script>` : html``,
  )

export const logoutScript = `document.getElementById('yes').click()`

export const signedOutPage = (): string =>
  document('Signed out', html`<h1>You are signed out</h1><p class="lead">You can close this page.</p>`)

export const errorPage = (error: string, description: string | undefined, appUrl: string): string =>
  document(
    'Something went wrong',
    html`<h1>That did not work</h1>
<p class="alert" role="alert">${description ?? 'The provider could not handle this request.'}</p>
<p class="small">Error code: <code>${error}</code></p>
<p><a class="button primary" href="${appUrl}">Back to the app</a></p>`,
  )
