import { OidcClient } from '@axa-fr/oidc-client'

export function open({ base, issuer, scope }) {
  const oidc = OidcClient.getOrCreate(() => fetch)({
    client_id: 'spa',
    authority: issuer ?? location.origin,
    redirect_uri: `${location.origin}${base}callback`,
    silent_redirect_uri: `${location.origin}${base}silent-callback`,
    scope,
  })
  return {
    async start() {
      if (/[?&]code=/.test(location.search)) await oidc.loginCallbackAsync()
      else await oidc.tryKeepExistingSessionAsync()
      return Boolean(oidc.tokens)
    },
    login: () => oidc.loginAsync(base),
    getToken: async () => (await oidc.getValidTokenAsync()).tokens.accessToken,
  }
}
