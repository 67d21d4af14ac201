import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import type { Context, errors as ProviderErrors } from 'oidc-provider'
import type { createStorage } from './adapter.js'
import { errorPage, logoutPage, signedOutPage } from './pages.js'
import { claimsByScope, findAccount, rolesOf, tenant } from './people.js'

export interface ProviderSettings {
  appName: string
  appUrl: string
  client_id: string
  client_secret: string
  resource: string
  resourceScopes: readonly string[]
  /** Seconds. */
  accessTokenLifetime: number
}

/** One key for ID Tokens and access tokens, made for this run. */
const signingKey = () => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  alg: 'ES256',
  kid: randomUUID(),
})

const hour = 3600

/** A strict provider: confidential client, PKCE required, rotated refresh tokens, and the demo's own pages. */
export const configuration = (
  settings: ProviderSettings,
  { adapter }: ReturnType<typeof createStorage>,
  errors: typeof ProviderErrors,
) => ({
  adapter,
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  clients: [
    {
      client_id: settings.client_id,
      client_secret: settings.client_secret,
      client_name: settings.appName,
      // The redirect URIs of the pages, and of the backend in proxy mode.
      redirect_uris: ['/callback', '/react/callback', '/proxy/callback'].map((path) => settings.appUrl + path),
      post_logout_redirect_uris: ['/', '/react/goodbye'].map((path) => settings.appUrl + path),
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: claimsByScope,
  // For step-up, tenants and roles in the API. @see RFC 9068 section 2.2, RFC 9470
  extraTokenClaims({ oidc: { entities } }: Context, { accountId }: { accountId?: string }) {
    const grant = entities['AuthorizationCode'] ?? entities['RefreshToken']
    const roles = rolesOf(accountId)
    const auth_time = (grant as { authTime?: number } | undefined)?.authTime
    return { auth_time, tenant, ...(roles.length && { roles }) }
  },
  // The ID Token contains the user's claims, as with most providers.
  conformIdTokenClaims: false,
  findAccount,
  responseTypes: ['code'],
  clientAuthMethods: ['client_secret_basic'],
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  // A step-up does not require consent again; its session continues like the previous one.
  issueRefreshToken: () => true,
  clientBasedCORS: () => false,
  interactions: { url: (_ctx: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
  features: {
    devInteractions: { enabled: false },
    revocation: {
      enabled: true,
      allowedPolicy: (_ctx: Context, client: { clientId: string }, token: { clientId: string }) =>
        token.clientId === client.clientId,
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource(ctx: Context, form: string) {
        ctx.body = logoutPage(form, ctx.oidc.entities['IdTokenHint'] !== undefined)
      },
      postLogoutSuccessSource(ctx: Context) {
        ctx.body = signedOutPage()
      },
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_ctx: Context, resource: string) {
        if (resource !== settings.resource) throw new errors.InvalidTarget()
        return {
          scope: settings.resourceScopes.join(' '),
          audience: settings.resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: settings.accessTokenLifetime,
          jwt: { sign: { alg: 'ES256' } },
        }
      },
    },
  },
  renderError(ctx: Context, out: { error: string; error_description?: string }) {
    ctx.type = 'html'
    ctx.body = errorPage(out.error, out.error_description, settings.appUrl)
  },
  ttl: {
    AccessToken: settings.accessTokenLifetime,
    AuthorizationCode: 60,
    IdToken: 300,
    Interaction: hour,
    RefreshToken: 8 * hour,
    Grant: 8 * hour,
    Session: 8 * hour,
  },
})
