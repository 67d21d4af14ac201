import type { Session } from '../types.js'
import type { SignInContext } from './authorization-request.js'

/** Settings of this page and its last events, without a token, a code, a claim or a query. */
export async function describe(
  { backend, redirect_uri, now }: SignInContext,
  mode: string | undefined,
  session: Session<unknown>,
  trace: readonly string[],
): Promise<string> {
  const error = 'error' in session ? session.error?.code : undefined
  const reason = 'reason' in session ? session.reason : undefined
  const facts: Record<string, unknown> = {
    session: [session.status, reason, error].filter(Boolean).join(' '),
    'ends in':
      'expiresAt' in session && session.expiresAt !== null ? `${Math.round(session.expiresAt - now())} s` : '–',
    // The answer to a code does not name the mode: the page redeems codes in one mode only.
    mode: mode ?? (session.status === 'signed-in' ? 'token-mediating' : 'not asked yet'),
    backend,
    'redirect_uri, to be registered at the provider character for character': redirect_uri,
    page: location.origin + location.pathname,
    'secure context': globalThis.isSecureContext,
    'top-level': read(() => window.top === window.self),
    sessionStorage: read(() => sessionStorage.length >= 0),
    cookies: navigator.cookieEnabled,
    online: navigator.onLine,
    visible: document.visibilityState,
    'cross-origin isolated': globalThis.crossOriginIsolated ?? false,
    browser: navigator.userAgent,
    'clock of the browser': new Date().toISOString(),
  }
  const lines = Object.entries(facts).map(([name, value]) => `${name}: ${value}`)
  return [
    'sallyport diagnostics',
    ...lines,
    '',
    'seconds ago · what',
    ...trace.map((line) => traceLine(line, now())),
  ].join('\n')
}

/** A line is a time and words. Words of a server are shown only if they look like an error code. */
function traceLine(line: string, now: number): string {
  const [at, what = '', ...words] = line.split(' ')
  const shown = words.filter((word) => word !== 'undefined').map((word) => (/^[\w-]{1,40}$/.test(word) ? word : '…'))
  return [`${(now - Number(at)).toFixed(1)} ·`, what.replace(/\?.*/, ''), ...shown].join(' ')
}

function read(test: () => boolean): boolean {
  try {
    return test()
  } catch {
    return false
  }
}
