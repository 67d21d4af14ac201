import { createBrowserOnlyAuth } from 'sallyport/browser-only'

export function open({ base, issuer, scope }) {
  const auth = createBrowserOnlyAuth({ issuer, client_id: 'spa', scope, redirect_uri: `${base}callback` })
  return {
    start: async () => (await auth.ready()).status === 'signed-in',
    login: () => auth.login(),
    getToken: () => auth.getToken(),
  }
}
