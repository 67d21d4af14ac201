import type { CredentialClaims } from './claims.js'

/** The caller: the same shape for every kind of credential. */
export interface Principal {
  /** How the caller was authenticated. */
  method: 'access_token' | 'api_key' | 'agent_token' | 'client_certificate' | 'session_cookie'
  /** The subject: a user, a client or an agent. */
  sub: string
  /** The issuer of `sub`; absent for credentials of this service (API keys). */
  iss?: string
  /** The client that the credential was issued to. */
  client_id?: string
  scopes: readonly string[]
  tenant?: string
  /** What the credential is bound to, verified: a key of the caller (RFC 9449) or its certificate (RFC 8705). */
  bound?: 'dpop' | 'mtls'
  /** Epoch seconds after which the credential is no longer valid. */
  expiresAt?: number
  /** The verified claims, for decisions that the guard does not make. Never the credential itself. */
  claims: CredentialClaims
}

/** An authenticator's result for a request that carries its kind of credential. */
export type AuthenticationResult =
  | {
      ok: true
      principal: Principal
      /**
       * Counts the call, for credentials that have budgets. Called last, when nothing else has refused. `cost` in
       * calls.
       */
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
      /** Further headers of the response. */
      headers?: Readonly<Record<string, string>>
      /** The scheme of the challenge, if it is not the authenticator's usual one. */
      scheme?: string
      /** The reason, for the operator's event; never sent. */
      detail?: string
    }

/**
 * One kind of credential. The guard knows no kinds: it asks each authenticator whether the request carries its
 * credential, and lets exactly one authenticate the request. An authenticator belongs to the folder that owns the
 * credential.
 */
export interface Authenticator {
  /** The `method` of its principals. */
  readonly method: Principal['method']
  /** Whether the client sets the credential on purpose (a header) or sends it automatically (cookie, certificate). */
  readonly explicit: boolean
  /** The issuers of these tokens, for the metadata of the resource. @see RFC 9728 */
  readonly issuers?: readonly string[]
  /** The scheme and parameters of the challenge for a caller without credentials. */
  readonly challenge?: { scheme: string; parameters?: Readonly<Record<string, string | undefined>> }
  /** What a guard can have only once, because a request does not say which of two is meant, and what to use instead. */
  readonly once?: { what: string; remedy: string }
  /**
   * Whether the request carries this kind of credential. Does not verify it. `certain`: the credential cannot be of
   * another kind, so no other authenticator is asked (a token that begins with the prefix of a key).
   */
  claims(request: Request): boolean | 'certain'
  /** Verifies the credential. Never throws because of what a caller sent. A dependency that is down is a 503 result. */
  verify(request: Request, context: AuthenticationContext): Promise<AuthenticationResult>
}

/** What the guard passes to every authenticator. */
export interface AuthenticationContext {
  /** The audience that a credential must be meant for. @see RFC 8707 section 2 */
  resource: string
  now: () => number
}
