import { encodeBase64url } from '../protocol/base64url.js'
import { calculateCodeChallenge, generateCodeVerifier } from '../protocol/pkce.js'

/** Milliseconds. Some providers never answer a request with `prompt=none`. */
const RESPONSE_TIMEOUT = 6000

const randomId = (): string => encodeBase64url(crypto.getRandomValues(new Uint8Array(32)))

/** The provider's response, and what its code is redeemed with. */
export interface SilentResponse {
  response: URLSearchParams
  code_verifier: string
  nonce: string
}

/**
 * Signs in at the provider in a hidden frame, without the user (`prompt=none`). The frame comes back to `redirect_uri`,
 * where this app's own page sends the response on a channel that is named by `state`.
 *
 * `undefined`: no answer. Most browsers block the provider's cookies in a frame of another site, many providers forbid
 * frames, and `Content-Security-Policy: frame-ancestors` may forbid the app to frame itself.
 *
 * @see OpenID Connect Core 1.0 section 3.1.2.1
 */
export async function authorizeSilently(
  endpoint: string,
  parameters: Readonly<Record<string, string>>,
): Promise<SilentResponse | undefined> {
  const code_verifier = generateCodeVerifier()
  const state = randomId()
  const nonce = randomId()
  const url = new URL(endpoint)
  const request = {
    ...parameters,
    response_type: 'code',
    prompt: 'none',
    state,
    nonce,
    code_challenge: await calculateCodeChallenge(code_verifier),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(request)) url.searchParams.set(name, value)

  const channel = new BroadcastChannel(`sallyport ${state}`)
  const frame = document.createElement('iframe')
  frame.hidden = true
  frame.title = 'Sign-in'
  try {
    const search = await new Promise<string | undefined>((resolve) => {
      setTimeout(resolve, RESPONSE_TIMEOUT)
      channel.onmessage = ({ data }) => {
        if (typeof data !== 'string' || new URLSearchParams(data).get('state') !== state) return
        channel.postMessage(true)
        resolve(data)
      }
      frame.src = url.href
      document.body.append(frame)
    })
    return search === undefined ? undefined : { response: new URLSearchParams(search), code_verifier, nonce }
  } finally {
    channel.close()
    frame.remove()
  }
}
