/** What an operator may want to know of a provider. No token, code or key is in one. */
export type ProviderEvent =
  | { type: 'id_token_refused'; claim: string }
  | { type: 'userinfo_failed' }
  | { type: 'provider_unavailable'; detail: string }
  /** The provider refuses this client, or its metadata: somebody has to look at the configuration. */
  | { type: 'operator_error'; detail: string }
