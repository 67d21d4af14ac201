import { createFetch } from '../client/calls/fetch.js'
import { createTargetFinder } from '../client/calls/target.js'
import type { EagerErrorCode } from '../client/errors.js'
import type { Auth, AuthOptions, LoginOptions, LogoutOptions, Session, TokenOptions } from '../client/types.js'
import { apis } from '../client/validation.js'
import type { RegisteredClaims } from '../protocol/claims.js'
import { SallyportError } from '../protocol/error.js'
import { refuseProduction } from './refuse-production.js'

refuseProduction()

import { anything, func, object, oneOf, optional, text } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'

export interface TestAuthOptions<Claims> extends Pick<AuthOptions, 'apis' | 'bff'> {
  /** The signed-in user. */
  user?: Claims
  /** What `getToken()` resolves to. Default `test-token`. */
  token?: string
  /** Default: `signed-in` with a user, `signed-out` without. */
  status?: Session<Claims>['status']
  /**
   * The `fetch` that `auth.fetch` calls: with a `Request`, and with the token in `init.headers`. Default: the page's
   * own.
   */
  fetch?: typeof globalThis.fetch
}

const testAuthOptions = object<TestAuthOptions<unknown>>({
  user: anything<unknown>(),
  token: optional(text),
  status: optional(oneOf('pending', 'signed-in', 'signed-out', 'unavailable')),
  fetch: optional(func),
  apis: optional(apis),
  bff: optional(text),
})

/** The calls that components made. */
export interface TestAuthCalls {
  login: LoginOptions[]
  logout: LogoutOptions[]
  getToken: TokenOptions[]
  /** The number of calls. */
  extend: number
}

export interface TestAuth<Claims> extends Auth<Claims> {
  /** Changes `session` and calls the listeners. */
  set(session: Session<Claims>): void
  readonly calls: TestAuthCalls
}

/**
 * An {@link Auth} to render components with: no network, no backend, no redirect. `login()` and `logout()` are recorded
 * and change nothing; the test sets the next state with `set()`. `fetch()` allows the same targets as `createAuth`: the
 * page's own origin and `apis`, not the backend (`bff`).
 */
export function createTestAuth<Claims = RegisteredClaims>(options: TestAuthOptions<Claims> = {}): TestAuth<Claims> {
  refuseProduction()
  validate('createTestAuth', testAuthOptions, options)
  const { user, token = 'test-token', status = user === undefined ? 'signed-out' : 'signed-in' } = options
  const document = globalThis.document ?? { baseURI: 'http://localhost/' }
  const backend = new URL(options.bff ?? '/bff', document.baseURI).href.replace(/\/$/, '')
  const api = createTargetFinder(options.apis ?? {}, new URL(document.baseURI).origin, backend)
  const listeners = new Set<(session: Session<Claims>) => void>()
  const calls: TestAuthCalls = { login: [], logout: [], getToken: [], extend: 0 }
  let session = initial(status, user)

  async function getToken(requested: TokenOptions = {}): Promise<string> {
    calls.getToken.push(requested)
    if (session.status === 'signed-in') return token
    throw session.status === 'unavailable' ? session.error : failure('login_required', false)
  }

  async function login(options: LoginOptions = {}): Promise<void> {
    calls.login.push(options)
  }

  return {
    get session() {
      return session
    },
    calls,
    set(next) {
      session = next
      for (const listener of listeners) listener(session)
    },
    subscribe(listener) {
      const entry = (current: Session<Claims>) => listener(current)
      listeners.add(entry)
      entry(session)
      return () => void listeners.delete(entry)
    },
    ready: async () => session,
    login,
    async logout(logout = {}) {
      calls.logout.push(logout)
    },
    getToken,
    fetch: createFetch({
      fetch: (input, init) => (options.fetch ?? globalThis.fetch)(input, init),
      api,
      document,
      backend,
      subtle: crypto.subtle,
      getToken: () => getToken(),
      readSession() {},
      login,
    }),
    async extend({ touch = true } = {}) {
      if (touch) calls.extend++
      return session
    },
    secondsLeft: () =>
      session.status === 'signed-in' && session.expiresAt !== null ? session.expiresAt - Date.now() / 1000 : Number.NaN,
    diagnostics: async () => 'createTestAuth: no diagnostics',
    close: () => listeners.clear(),
  }
}

const failure = (code: EagerErrorCode, retryable: boolean) =>
  new SallyportError(code, `createTestAuth: ${code}`, { retryable })

function initial<Claims>(status: Session<Claims>['status'], user: Claims | undefined): Session<Claims> {
  if (status === 'signed-in') {
    if (user === undefined) throw new TypeError('createTestAuth: "status" is "signed-in", so "user" is required')
    return { status, user, expiresAt: null }
  }
  if (status === 'signed-out') return { status, reason: 'none' }
  return status === 'unavailable' ? { status, error: failure('backend_unavailable', true) } : { status }
}
