import type { Emit } from './events.js'
import type { Provider } from './providers.js'

export type RefreshTokenNotice = ReturnType<typeof createRefreshTokenNotice>

/** Tells the operator that a provider issues no refresh token, once, and what to do there. */
export function createRefreshTokenNotice({ emit }: { emit: Emit }) {
  const remedies = new Map<string, string>()

  return {
    missing({ settings: { issuer, ownScope } }: Pick<Provider, 'settings'>): void {
      if (remedies.has(issuer)) return
      const remedy = remedyFor(issuer, ownScope.split(' ').includes('offline_access'))
      remedies.set(issuer, remedy)
      emit({ type: 'no_refresh_token', issuer, remedy })
    },

    /** For `describe()`. */
    notes: (): readonly string[] =>
      [...remedies].map(
        ([issuer, remedy]) =>
          `${issuer} has issued no refresh token: sessions end with their first access token. ${remedy}.`,
      ),
  }
}

const addScope = 'Add offline_access to "scope"'

/**
 * Where refresh tokens are to be had. `offline_access` is never added by itself: at Keycloak it makes another kind of session.
 * `[host or path of the issuer, remedy without offline_access, remedy with it]`
 */
const providers: readonly [RegExp, withoutScope: string, withScope: string][] = [
  [
    /\/realms\/[^/]+$/,
    'Switch on "Use refresh tokens" for this client in Keycloak (Advanced, OpenID Connect compatibility modes). Do not add offline_access: it makes an offline session, which ends neither with the session at Keycloak nor by an administrator’s sign-out',
    'Remove offline_access, which makes an offline session that this client or user may not have, and switch on "Use refresh tokens" for this client in Keycloak',
  ],
  [
    /^https:\/\/accounts\.google\.com$/,
    'Google wants access_type=offline instead of a scope: list access_type in "authorizationParams" and call login({ prompt: "consent", params: { access_type: "offline" } })',
    'Remove offline_access, which Google refuses. It wants access_type=offline: list access_type in "authorizationParams" and call login({ prompt: "consent", params: { access_type: "offline" } })',
  ],
  [
    /^https:\/\/[^/]+\.auth0\.com\/$/,
    `${addScope}, and switch on "Allow Offline Access" for the API in Auth0`,
    'Switch on "Allow Offline Access" for the API, and the grant type Refresh Token for the application in Auth0',
  ],
  [
    /^https:\/\/[^/]+\.okta(preview|-emea)?\.com(\/oauth2\/.*)?$|\/oauth2\/(default|aus[^/]+)$/,
    `${addScope}, and switch on the grant type Refresh Token for the application in Okta`,
    'Switch on the grant type Refresh Token for the application, and allow offline_access in the access policy of the authorization server in Okta',
  ],
  [
    /^https:\/\/(login\.microsoftonline\.(com|us)|[^/]+\.(ciamlogin|b2clogin)\.com)\//,
    `${addScope}, and consent to it for the application in Microsoft Entra ID`,
    'Consent to offline_access for the application in Microsoft Entra ID',
  ],
]

const other: readonly [withoutScope: string, withScope: string] = [
  `Allow refresh tokens for this client at the provider, and add offline_access to "scope" if it requires that (most do; Google and Keycloak do not)`,
  'Allow refresh tokens for this client at the provider. Some issue them only with consent: call login({ prompt: "consent" }) (OpenID Connect Core 1.0 section 11)',
]

function remedyFor(issuer: string, hasScope: boolean): string {
  const [, withoutScope, withScope] = providers.find(([pattern]) => pattern.test(issuer)) ?? [undefined, ...other]
  return hasScope ? withScope : withoutScope
}
