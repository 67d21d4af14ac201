/** One thing that must hold. Its tests carry the id in brackets at the start of their title: `[B-08] refuses …`. */
export interface Case {
  id: string
  /** What must hold, in a line. */
  holds: string
  /** A refusal has an accepted twin: the same request with the single fault mended (`[B-08 twin] accepts …`). */
  refusal?: true
  /** Why it does not arise here. A case with a reason needs no test. */
  reason?: string
}

const refuses = (id: string, holds: string): Case => ({ id, holds, refusal: true })
const holds = (id: string, what: string): Case => ({ id, holds: what })
const absent = (id: string, what: string, reason: string): Case => ({ id, holds: what, reason })

/** The cases of the threat model (letters) and of the browser SDK (S). */
export const cases: readonly Case[] = [
  refuses('C-01', 'an unknown state is no sign-in; nobody is disturbed'),
  refuses('C-02', 'a code is redeemed once, whoever brings it again'),
  refuses('C-03', 'ID Token of another issuer'),
  refuses('C-04', 'ID Token for another client'),
  refuses('C-05', 'ID Token with another nonce, or none'),
  refuses('C-06', 'ID Token without a signature, or signed with a public key'),
  refuses('C-07', 'ID Token with a broken signature'),
  refuses('C-08', 'ID Token that lacks sub, iat, exp or aud, or has impossible ones'),
  refuses('C-09', 'UserInfo of another subject'),
  refuses('C-10', 'metadata of another issuer, before any redirect'),
  refuses('C-11', 'a refusal of the provider is data, never HTML'),
  refuses('C-12', 'a hostile return target becomes the start page'),
  refuses('C-13', 'callers and tabs that renew together make one grant'),
  refuses('C-14', 'storage, URL and history hold no token after a whole run'),
  refuses('C-16', 'two sign-ins at once keep their own targets'),
  refuses('C-17', 'a revoked session signs out once'),
  refuses('C-18', 'an outage is not a sign-out'),
  refuses('C-19', 'a token without expires_in causes no storm'),
  refuses('C-20', 'token_type in any case'),
  refuses('C-21', 'no token for an origin that is not listed'),
  refuses('C-22', 'errors hold no secret'),
  refuses('B-01', 'a code from a browser that began nothing'),
  refuses('B-02', 'a state that is not the sealed one'),
  refuses('B-04', 'a planted session cookie'),
  refuses('B-05', 'a copied cookie after sign-out'),
  refuses('B-08', 'requests that our own page did not make'),
  refuses('B-09', 'GET and HEAD where something would change'),
  refuses('B-10', 'answers in shared caches'),
  refuses('B-11', 'cookies without their attributes'),
  refuses('B-12', 'cookies that are tampered with, or junk'),
  refuses('B-13', 'parallel renewals make one grant'),
  refuses('B-14', 'invalid_grant ends the session'),
  refuses('B-15', 'an outage of the provider keeps it'),
  refuses('B-16', 'the page sees listed claims and no other token'),
  refuses('B-20', 'a foreign target after sign-out'),
  refuses('B-21', 'missing, short and sample keys'),
  refuses('B-22', 'an error is never a session'),
  refuses('B-23', 'a foreign origin gets no CORS'),
  refuses('B-24', 'a session past its limits'),
  refuses('B-26', 'fifty calls with an expired session'),
  refuses('B-27', 'a code carried off to another browser'),
  refuses('B-28', 'a slow old answer brings nothing back'),
  refuses('B-29', 'a sign-in that is run through in another browser: succeeds here, and the documents say so'),
  refuses('J-01', 'alg none, in every spelling'),
  refuses('J-02', 'HS256 keyed with the public key'),
  refuses('J-03', 'a header that widens the algorithms'),
  refuses('J-04', 'another audience, or none; a guard without one'),
  refuses('J-05', 'another issuer, or none'),
  refuses('J-06', 'a token before or after its time'),
  refuses('J-07', 'an ID Token as access token'),
  refuses('J-08', 'a flood of unknown keys makes one fetch'),
  refuses('J-09', 'a token that brings its own key'),
  refuses('J-10', 'other schemes than Bearer'),
  refuses('J-11', '403 for too little scope, 401 for no token'),
  refuses('J-12', 'a token in the query or the body'),
  refuses('J-13', 'an unknown crit'),
  refuses('J-17', 'no keys: cached ones until their age, then 503'),
  refuses('J-18', 'a token that is too long or too deep'),
  refuses('J-19', 'an encrypted token, whatever it wants computed'),
  refuses('J-20', 'refusals say nothing'),
  refuses('T-01', 'the kit in production'),
  refuses('T-02', 'the kit’s tokens at another issuer’s guard'),
  refuses('T-03', 'environment variables switch nothing off'),
  refuses('T-04', 'the provider is strict'),
  refuses('T-05', 'the kit opens no port'),
  refuses('T-06', 'keys are new in every run'),
  refuses('T-07', 'no worker is registered or shipped'),
  refuses('T-08', 'guards and sessions follow the injected clock'),
  refuses('D-01', 'the demo off loopback'),
  refuses('D-02', 'the demo in production'),
  holds('D-03', 'security headers on every page'),
  holds(
    'D-04',
    'a script in the page reaches no refresh token and no cookie; the access token is the documented residual',
  ),
  refuses('D-07', 'secrets in the repository'),
  holds('D-08', 'secrets in the demo’s output'),
  refuses('S-1', 'concurrent callbacks redeem once'),
  refuses('S-2', 'the same callback after success'),
  refuses('S-3', 'a reload after a refusal invents no other error'),
  refuses('S-4', 'a callback without state, or with an unknown one'),
  refuses('S-5', 'state named like a member of Object'),
  refuses('S-6', 'a page that only looks like a callback'),
  refuses('S-7', 'another iss in the response'),
  refuses('S-8', 'a missing iss that was advertised'),
  refuses('S-9', 'each wrong claim by its name'),
  refuses('S-10', 'several audiences without azp'),
  refuses('S-12', 'a tolerance of 0 is 0'),
  refuses('S-13', 'sign-ins that finish in reverse order'),
  refuses('S-14', 'a callback in a tab that did not begin'),
  refuses('S-15', 'abandoned sign-ins pile up'),
  refuses('S-16', 'storage that is full or forbidden'),
  refuses('S-17', 'records that are junk'),
  holds('S-18', 'the rest of the URL stays as it was'),
  holds('S-19', 'Back does not run the callback again'),
  refuses('S-20', 'hostile return targets'),
  holds('S-21', 'HTML from the token endpoint is an outage'),
  holds('S-22', 'an app that throws disturbs nothing'),
  refuses('S-23', 'many callers, one request'),
  holds('S-24', 'different resources one after another'),
  holds('S-25', 'a wish for another token is not dropped'),
  refuses('S-26', 'signed out at once, and once'),
  refuses('S-27', 'another 400 keeps the session'),
  refuses('S-28', 'Retry-After is kept to'),
  refuses('S-29', 'HTML 403 and 429 are “not now”'),
  refuses('S-30', 'server and network errors are “not now”, without a storm'),
  holds('S-31', 'an old token is served while it is good'),
  holds('S-32', 'a lost answer is not followed by repeats'),
  holds('S-33', 'no expires_in: five minutes'),
  holds('S-34', 'expires_in as text'),
  holds('S-35', 'the server’s words survive'),
  absent('S-36', 'DPoP nonce', 'no DPoP in token-mediating mode (RFC 10017 section 6.2.4.3.2)'),
  refuses('S-37', 'a renewal for another person'),
  refuses('S-38', 'sign-out wins over a renewal under way'),
  refuses('S-39', 'a sign-in during sign-out waits'),
  holds('S-40', 'a failed discovery is not remembered'),
  refuses('S-41', 'a stranger is told so at once'),
  refuses('S-42', 'a backend that is down: neither in nor out'),
  refuses('S-43', 'one caller’s abort is its own'),
  refuses('S-44', 'a hanging backend is given up on'),
  holds('S-45', 'tabs that wake together'),
  holds('S-46', 'a tab that dies while renewing'),
  holds('S-47', 'no lock to time out: the backend coordinates'),
  holds('S-48', 'no need of navigator.locks'),
  refuses('S-49', 'instances with other backends'),
  refuses('S-50', 'sign-out reaches the other tabs'),
  refuses('S-51', 'forged messages'),
  refuses('S-52', 'another person signs in elsewhere'),
  holds('S-53', 'sleep past expiry'),
  holds('S-54', 'clocks that jump'),
  holds('S-55', 'a token of thirty days'),
  refuses('S-64', 'a double click leaves once'),
  refuses('S-65', 'sign-out with the provider away'),
  refuses('S-66', 'sign-out with a failing revocation'),
  refuses('S-67', 'sign-out without a session, and twice'),
  refuses('S-68', 'sign-out drops the token in the same tick'),
  refuses('S-69', 'one replay after a 401'),
  refuses('S-70', 'bodies are replayed whole or not at all'),
  refuses('S-71', 'no token off the list, nor over a redirect'),
  refuses('S-73', 'ten 401s, one renewal'),
  holds('S-74', 'import without a browser'),
  refuses('S-75', 'no Web Crypto'),
  refuses('S-76', 'close leaves nothing behind'),
  holds('S-78', 'no token anywhere after a whole run'),
  holds('S-79', 'no secret in errors and events'),
  holds('S-80', 'claims cannot be read where nobody is signed in'),
]

/** What has been found for a case. */
export interface Finding {
  case: Case
  tests: string[]
  failed: boolean
  twin: boolean
}

/** Matches titles with cases. `[B-08] …` proves B-08; `[B-08 twin] …` its twin. */
export function findings(titles: readonly { title: string; passed: boolean }[]): Finding[] {
  return cases.map((entry) => {
    const naming = (suffix: string) => titles.filter(({ title }) => title.includes(`[${entry.id}${suffix}]`))
    const tests = naming('')
    const twins = naming(' twin')
    return {
      case: entry,
      tests: tests.map(({ title }) => title),
      failed: [...tests, ...twins].some(({ passed }) => !passed),
      twin: twins.length > 0,
    }
  })
}

/** What is wrong with a finding; `undefined` if nothing is. */
export function fault({ case: entry, tests, failed, twin }: Finding): string | undefined {
  if (entry.reason !== undefined) return undefined
  if (!tests.length) return 'no test'
  if (failed) return 'failed'
  return entry.refusal && !twin ? 'no twin' : undefined
}
