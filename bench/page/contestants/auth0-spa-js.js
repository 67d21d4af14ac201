import { Auth0Client } from '@auth0/auth0-spa-js'

export function open({ base, issuer, scope }) {
  const client = new Auth0Client({
    domain: issuer?.replace(/^https:\/\/|\/$/g, '') ?? 'localhost',
    clientId: 'spa',
    useRefreshTokens: true,
    useRefreshTokensFallback: true,
    authorizationParams: { redirect_uri: `${location.origin}${base}callback`, scope },
  })
  return {
    async start() {
      if (/[?&]code=/.test(location.search)) await client.handleRedirectCallback()
      else await client.checkSession()
      return client.isAuthenticated()
    },
    login: () => client.loginWithRedirect(),
    getToken: () => client.getTokenSilently(),
  }
}
