import { UserManager } from 'oidc-client-ts'

export function open({ base, issuer, scope }) {
  const manager = new UserManager({
    authority: issuer ?? location.origin,
    client_id: 'spa',
    redirect_uri: `${location.origin}${base}callback`,
    scope,
    automaticSilentRenew: false,
  })
  return {
    async start() {
      if (/[?&]code=/.test(location.search)) await manager.signinRedirectCallback()
      return (await manager.getUser()) !== null
    },
    login: () => manager.signinRedirect(),
    async getToken() {
      const user = await manager.getUser()
      return (user && !user.expired ? user : await manager.signinSilent())?.access_token
    },
  }
}
