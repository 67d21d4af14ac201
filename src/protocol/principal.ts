import type { CredentialClaims } from './claims.js'

/** Who calls: the same shape whatever the credential was. */
export interface Principal {
  /** How the caller proved who it is. */
  method: 'access_token' | 'api_key' | 'agent_token' | 'client_certificate' | 'session_cookie'
  /** The subject: a person, a client or an agent. */
  sub: string
  /** Who vouches for `sub`; absent for credentials of our own. */
  iss?: string
  /** The client that the credential was issued to. */
  client_id?: string
  scopes: readonly string[]
  tenant?: string
  /** What the credential was bound to, and proven to be held: a key of the caller (RFC 9449), its certificate (RFC 8705). */
  bound?: 'dpop' | 'mtls'
  /** Epoch seconds after which the credential is worth nothing. */
  expiresAt?: number
  /** The verified claims, for decisions that the guard does not make. Never the credential itself. */
  claims: CredentialClaims
}

/** What an authenticator says about a request that carries its kind of credential. */
export type AuthenticationResult =
  | {
      ok: true
      principal: Principal
      /** Counts the call, where credentials have budgets: asked last, when nothing else has refused. `cost` in calls. */
      admit?: (cost: number) => Promise<Extract<AuthenticationResult, { ok: false }> | undefined>
    }
  | {
      ok: false
      status: 400 | 401 | 403 | 409 | 429 | 503
      error: string
      error_description?: string
      /** Further parameters of the challenge, for example `acr_values`. */
      challenge?: Readonly<Record<string, string | undefined>>
      retryAfter?: number
      /** Further headers of the answer. */
      headers?: Readonly<Record<string, string>>
      /** The scheme of the challenge, where it is not the authenticator's usual one. */
      scheme?: string
      /** Why, for the operator's event; never sent. */
      detail?: string
    }

/**
 * One kind of credential. The guard knows no kinds: it asks each authenticator whether the request carries its own,
 * and lets exactly one judge. An authenticator belongs to the folder that owns the credential.
 */
export interface Authenticator {
  /** The method that its principals have. */
  readonly method: Principal['method']
  /** Whether the credential was put there on purpose (a header) or rides along by itself (cookie, certificate). */
  readonly explicit: boolean
  /** Whose tokens these are, for the metadata of the resource. @see RFC 9728 */
  readonly issuers?: readonly string[]
  /** The scheme and parameters of the challenge for a caller without credentials. */
  readonly challenge?: { scheme: string; parameters?: Readonly<Record<string, string | undefined>> }
  /** What a guard can have once, since a request does not say which of two is meant, and what to write instead. */
  readonly once?: { what: string; remedy: string }
  /**
   * Whether the request carries this kind of credential. Looks, does not verify. `certain`: what is there can be nothing
   * else, so nobody else judges it (a token that begins with the prefix of a key).
   */
  claims(request: Request): boolean | 'certain'
  /** Verifies the credential. Never throws for what a caller sent; a dependency that is out of reach is a 503 result. */
  verify(request: Request, context: AuthenticationContext): Promise<AuthenticationResult>
}

/** What the guard tells every authenticator. */
export interface AuthenticationContext {
  /** The audience that a credential must be meant for. @see RFC 8707 section 2 */
  resource: string
  now: () => number
}
