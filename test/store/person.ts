import { calculateCodeChallenge, generateCodeVerifier } from '../../src/protocol/pkce.js'
import type { Provider } from './provider.js'

export interface Answer {
  status: number
  body: Record<string, unknown> & { error?: string; reason?: string; access_token?: string; user?: unknown }
}

/** A browser by hand: one cookie jar over whichever process answers. */
export function createPerson(provider: Provider, sub = 'person-0') {
  const jar = new Map<string, string>()

  async function call(
    url: string,
    path: string,
    fields: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const response = await fetch(`${url}/bff${path}`, {
      method: 'POST',
      headers: {
        'Sallyport-CSRF': '1',
        Cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: `${new URLSearchParams(fields)}`,
      ...(signal && { signal }),
    })
    const body = (await response.json()) as Answer['body']
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (/Max-Age=0/.test(cookie)) jar.delete(name)
      else jar.set(name, value)
    }
    return { status: response.status, body }
  }

  return {
    jar,
    call,
    /** Whether the browser has a session cookie. */
    holds: () => jar.has('__Host-Http-sallyport'),

    async signIn(url: string): Promise<Answer> {
      const code_verifier = generateCodeVerifier()
      const state = generateCodeVerifier()
      const { body } = await call(url, '/transaction', {
        response_type: 'code',
        client_id: 'notes',
        redirect_uri: 'https://app.example.com/callback',
        state,
        nonce: generateCodeVerifier(),
        code_challenge: await calculateCodeChallenge(code_verifier),
        code_challenge_method: 'S256',
      })
      provider.as.signIn(sub)
      const response = await provider.as.fetch(`${body['location']}`, { redirect: 'manual' })
      const { searchParams } = new URL(response.headers.get('location') ?? '')
      return call(url, '/token', {
        grant_type: 'authorization_code',
        code_verifier,
        ...Object.fromEntries(searchParams),
      })
    },

    refresh: (url: string, signal?: AbortSignal) => call(url, '/token', { grant_type: 'refresh_token' }, signal),
    signOut: (url: string) => call(url, '/logout'),
    who: (url: string) => call(url, '/session'),
  }
}

export type Person = ReturnType<typeof createPerson>
