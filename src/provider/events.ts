/** What an operator should know about a provider. Events contain no token, code or key. */
export type ProviderEvent =
  /** `detail`: what was compared, for `alg`. */
  | { type: 'id_token_refused'; claim: string; detail?: string }
  | { type: 'userinfo_failed'; detail: string }
  /** No response, a timeout, 408, 425, 429, 5xx, or the page of a firewall. `detail` begins with the endpoint. */
  | { type: 'provider_unavailable'; detail: string }
  /**
   * The provider refuses this client, its response cannot be used, or its metadata is wrong: check the configuration. `detail` of a
   * response begins with the endpoint, and has the status, what is wrong or what the provider says, and the URL.
   */
  | { type: 'operator_error'; detail: string }
