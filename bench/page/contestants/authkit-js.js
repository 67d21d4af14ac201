import { createClient } from '@workos-inc/authkit-js'

export function open({ base, plainIssuer }) {
  const { hostname, port } = new URL(plainIssuer ?? location.origin)
  const opening = createClient('spa', {
    apiHostname: hostname,
    port: Number(port),
    https: false,
    redirectUri: `${location.origin}${base}callback`,
    devMode: false,
  })
  return {
    start: async () => (await opening).getUser() !== null,
    login: async () => (await opening).signIn(),
    getToken: async () => (await opening).getAccessToken(),
  }
}
