import {
  anyText,
  anything,
  bool,
  check,
  either,
  func,
  isObject,
  list,
  mapOf,
  object,
  oneOf,
  optional,
  type Shape,
  seconds,
  text,
} from '../protocol/shape.js'
import { asyncCall, call } from '../protocol/validate.js'
import { fetchInit, fetchInput } from '../protocol/web-checks.js'
import type { RouteAuthOptions } from './require-auth.js'
import type {
  Api,
  AuthOptions,
  ExtendOptions,
  FetchOptions,
  LoginOptions,
  LogoutOptions,
  TokenOptions,
} from './types.js'

/** The options that `createAuth` and `createBrowserOnlyAuth` share. */
export const pageOptions: Omit<Shape<AuthOptions<unknown>>, 'bff' | 'initial' | 'apis'> = {
  redirect_uri: optional(text),
  onReturn: optional(func),
  onEvent: optional(func),
  fetch: optional(func),
  now: optional(func),
}

/** Where `auth.fetch` may send tokens. */
export const apis = mapOf(object<Api>({ resource: optional(text), scope: optional(anyText), route: optional(text) }))

export const authOptions = object<AuthOptions<unknown>>({
  ...pageOptions,
  bff: optional(text),
  apis: optional(apis),
  // Not validated further: it comes from the backend.
  initial: optional(
    check<NonNullable<AuthOptions<unknown>['initial']>>('what bff.getSession(request) resolves to', isObject),
  ),
})

const authorizationDetail = check<Readonly<Record<string, unknown>>>(
  'an object with a "type"',
  (value) => isObject(value) && typeof value['type'] === 'string',
)

const login = object<LoginOptions>({
  returnTo: optional(anyText),
  appState: anything<unknown>(),
  popup: optional(oneOf<boolean | 'or-redirect'>(true, false, 'or-redirect')),
  prompt: optional(oneOf('none', 'login', 'consent', 'select_account', 'create')),
  login_hint: optional(anyText),
  max_age: optional(seconds({ least: 0 })),
  acr_values: optional(anyText),
  ui_locales: optional(anyText),
  scope: optional(anyText),
  resource: optional(either(text, list(text))),
  authorization_details: optional(list(authorizationDetail)),
  params: optional(mapOf(anyText)),
})

export const routeAuthOptions = object<RouteAuthOptions>({ login: optional(login) })

export const authCalls = {
  subscribe: call(['listener', func]),
  ready: asyncCall(),
  login: asyncCall(['options', optional(login)]),
  logout: asyncCall(['options', optional(object<LogoutOptions>({ local: optional(bool), returnTo: optional(text) }))]),
  getToken: asyncCall([
    'options',
    optional(
      object<TokenOptions>({
        resource: optional(text),
        scope: optional(anyText),
        minValidity: optional(seconds({ least: 0 })),
        signal: optional(check<AbortSignal>('an AbortSignal', (value) => isObject(value) && 'aborted' in value)),
      }),
    ),
  ]),
  fetch: asyncCall(
    ['input', fetchInput],
    ['init', optional(fetchInit)],
    [
      'options',
      optional(object<FetchOptions>({ stepUp: optional(oneOf('popup', 'popup-or-redirect', 'redirect', 'never')) })),
    ],
  ),
  extend: asyncCall(['options', optional(object<ExtendOptions>({ touch: optional(bool) }))]),
  secondsLeft: call(),
  diagnostics: asyncCall(),
  close: call(),
}
