import { PublicClientApplication } from '@azure/msal-browser'

export function open({ base, issuer, scope }) {
  const authority = issuer ?? 'https://localhost/'
  const client = new PublicClientApplication({
    auth: {
      clientId: 'spa',
      authority,
      knownAuthorities: [new URL(authority).host],
      redirectUri: `${location.origin}${base}callback`,
      OIDCOptions: { serverResponseType: 'query', defaultScopes: (scope ?? '').split(' ') },
    },
    system: { protocolMode: 'OIDC' },
  })
  const scopes = (scope ?? '').split(' ')
  const account = () => client.getAllAccounts()[0]
  return {
    async start() {
      await client.initialize()
      await client.handleRedirectPromise()
      return account() !== undefined
    },
    login: () => client.loginRedirect({ scopes }),
    getToken: async () => (await client.acquireTokenSilent({ scopes, account: account() })).accessToken,
  }
}
