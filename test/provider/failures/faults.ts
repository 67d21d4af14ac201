import type { Fault } from '../../../src/testing/authorization-server/faults.js'

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Fault => ({
  status,
  body: JSON.stringify(body),
  headers: { 'Content-Type': 'application/json', ...headers },
})

export const page = (status: number, headers: Record<string, string> = {}): Fault => ({
  status,
  body: '<!doctype html><title>Oops</title>',
  headers: { 'Content-Type': 'text/html', ...headers },
})

/** Somebody can try again later. What the operator is told of it. */
export const outages: readonly [what: string, fault: Fault, told: string][] = [
  ['a connection refused', 'refused', 'no response, ECONNREFUSED'],
  ['a connection reset', 'network', 'no response, ECONNRESET'],
  ['408', page(408), '408'],
  ['425', { status: 425 }, '425'],
  ['429', json(429, { error: 'slow_down' }), '429 slow_down'],
  ['429 in HTML', page(429, { 'Retry-After': '7' }), '429'],
  ['500', { status: 500 }, '500'],
  ['502 in HTML', page(502), '502'],
  ['503 with an OAuth error', json(503, { error: 'temporarily_unavailable' }), '503, "temporarily_unavailable"'],
  ['504', page(504), '504'],
  ['a status beyond those that there are', page(599), '599'],
  ['the page of a firewall', page(403), '403'],
  ['the JSON of a firewall', json(403, { message: 'Forbidden' }), '403'],
  ['400 with “try again”', json(400, { error: 'temporarily_unavailable' }), '400 temporarily_unavailable'],
]

/** Nobody can do anything but the operator. */
export const mistakes: readonly [what: string, fault: Fault, told: string][] = [
  ['201', json(201, { access_token: 'a', token_type: 'Bearer' }), '201'],
  ['204', { status: 204 }, '204'],
  ['a page', page(200), '200, no JSON object'],
  ['nothing', { status: 200 }, '200, no JSON object'],
  ['a list', json(200, []), '200, no JSON object'],
  [
    'a redirect',
    page(302, { Location: 'https://www.example.net/login?state=abcdefgh12345678' }),
    '302, a redirect to https://www.example.net/login',
  ],
  ['a redirect to nowhere', page(307), '307'],
  ['400 in HTML', page(400), '400'],
  ['401 in HTML', page(401), '401'],
  ['404', page(404), '404'],
  ['405', page(405, { Allow: 'GET' }), '405'],
  [
    '401 with a challenge',
    json(401, { error: 'invalid_client' }, { 'WWW-Authenticate': 'Basic realm="x"' }),
    '401 invalid_client',
  ],
  ['401 with a challenge alone', page(401, { 'WWW-Authenticate': 'Basic realm="x"' }), '401, "Basic realm="x""'],
  ['400 invalid_client', json(400, { error: 'invalid_client' }), '400 invalid_client'],
  ['400 unauthorized_client', json(400, { error: 'unauthorized_client' }), '400 unauthorized_client'],
  ['400 unsupported_grant_type', json(400, { error: 'unsupported_grant_type' }), '400 unsupported_grant_type'],
  [
    'an error with another media type',
    json(400, { error: 'invalid_client' }, { 'Content-Type': 'text/plain' }),
    '400 invalid_client',
  ],
]
