/** What an operator should know about a provider. Events contain no token, code or key. */
export type ProviderEvent =
  | { type: 'id_token_refused'; claim: string }
  | { type: 'userinfo_failed' }
  | { type: 'provider_unavailable'; detail: string }
  /** The provider refuses this client, or its metadata is wrong. Check the configuration. */
  | { type: 'operator_error'; detail: string }
