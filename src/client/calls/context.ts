import type { RequestedToken } from '../session/renewal.js'
import type { LoginOptions } from '../types.js'
import type { CallTarget } from './target.js'

/** What `auth.fetch` uses. */
export interface CallContext {
  fetch: typeof globalThis.fetch
  /** The entry of `apis` that a URL belongs to. */
  api(url: URL): CallTarget | undefined
  backend: string
  /** `fetch` resolves URLs against its base URL, which a `<base>` element may set. */
  document: Pick<Document, 'baseURI'>
  subtle: SubtleCrypto
  /** An empty text in proxy mode: the backend keeps the token, and the call goes to its proxy. */
  getToken(requested: RequestedToken): Promise<string>
  /** Reads the session again, after the backend has refused a call. */
  readSession(): void
  login(options: LoginOptions, onLeaving?: () => void): Promise<void>
}
