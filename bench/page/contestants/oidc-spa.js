import { createOidc } from 'oidc-spa/core'
import { oidcEarlyInit } from 'oidc-spa/entrypoint'

export function open({ base, issuer, scope }) {
  const { shouldLoadApp } = oidcEarlyInit({ BASE_URL: base })
  if (!shouldLoadApp) return { start: () => new Promise(() => {}), login() {}, getToken() {} }
  const opening = createOidc({
    issuerUri: issuer ?? location.origin,
    clientId: 'spa',
    scopes: (scope ?? '').split(' ').filter((one) => one !== 'openid'),
    BASE_URL: base,
    sessionRestorationMethod: 'iframe',
  })
  return {
    start: async () => (await opening).isUserLoggedIn,
    login: async () => (await opening).login(),
    getToken: async () => (await (await opening).getTokens()).accessToken,
  }
}
