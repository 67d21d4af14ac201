/** What happened to the keys of a provider. `name` and `id` are public; a secret is in none of these. */
export type KeyRingEvent = {
  ring: string
  tenant?: string
  /** What we call the key, and the provider shows. Of a key that was put into the vault by hand, its name there. */
  name: string
} & (
  | { type: 'provider_key_created' }
  /** The provider does not take it: not yet, or not any more. */
  | { type: 'provider_key_not_working' }
  /** It is the one that is used from now on. */
  | { type: 'provider_key_current' }
  /** Asked to revoke it, the provider still takes it. */
  | { type: 'provider_key_lingers' }
  /** Gone, at the provider and from the vault. */
  | { type: 'provider_key_ended' }
  /** An attempt to create it was cut short: the provider may have a key of this name that nobody knows. */
  | { type: 'provider_key_lost' }
  /**
   * Provider or vault failed, or took more than ten seconds, and this key waits for the next turn. `step`: what was asked of them. Of a
   * key that is not there yet `name` is the ring's.
   */
  | { type: 'provider_key_stuck'; step?: string }
  /** The provider refused it in `use()`. */
  | { type: 'provider_key_refused' }
)
