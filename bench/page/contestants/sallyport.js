import { createAuth } from 'sallyport'

export function open({ base }) {
  const auth = createAuth({ redirect_uri: `${base}callback` })
  return {
    start: async () => (await auth.ready()).status === 'signed-in',
    login: () => auth.login(),
    getToken: () => auth.getToken(),
  }
}
