import type { RequestedToken } from '../session/renewal.js'
import type { LoginOptions } from '../types.js'
import type { CallTarget } from './target.js'

/** How `auth.fetch` gets its tokens. */
export interface CallContext {
  fetch: typeof globalThis.fetch
  /** The API that an address belongs to. */
  api(url: URL): CallTarget | undefined
  backend: string
  /** Its base URL is what `fetch` resolves against, a `<base>` element included. */
  document: Pick<Document, 'baseURI'>
  subtle: SubtleCrypto
  /** Empty where the backend keeps it: there the call goes to its proxy. */
  getToken(wanted: RequestedToken): Promise<string>
  /** The backend has refused: perhaps nobody is signed in any more. */
  who(): void
  login(options: LoginOptions, begun?: () => void): Promise<void>
}
