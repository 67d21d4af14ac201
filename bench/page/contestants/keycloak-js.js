import Keycloak from 'keycloak-js'

export function open({ base, issuer, scope }) {
  const keycloak = new Keycloak({ url: issuer ?? 'https://localhost/', realm: 'bench', clientId: 'spa' })
  return {
    start: () =>
      keycloak.init({
        onLoad: 'check-sso',
        scope,
        checkLoginIframe: false,
        responseMode: 'query',
        redirectUri: `${location.origin}${base}callback`,
        silentCheckSsoRedirectUri: `${location.origin}/silent.html`,
      }),
    login: () => keycloak.login({ scope }),
    async getToken() {
      await keycloak.updateToken(30)
      return keycloak.token
    },
  }
}
