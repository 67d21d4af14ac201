import type { Wanted } from '../session/renewal.js'
import type { LoginOptions } from '../types.js'
import type { Aim } from './target.js'

/** How `auth.fetch` gets its tokens. */
export interface FetchPorts {
  fetch: typeof globalThis.fetch
  aim(url: URL): Aim | undefined
  backend: string
  /** Its base URL is what `fetch` resolves against, a `<base>` element included. */
  document: Pick<Document, 'baseURI'>
  subtle: SubtleCrypto
  /** Empty where the backend keeps it: there the call goes to its proxy. */
  getToken(wanted: Wanted): Promise<string>
  /** The backend has refused: perhaps nobody is signed in any more. */
  who(): void
  login(options: LoginOptions, begun?: () => void): Promise<void>
}
