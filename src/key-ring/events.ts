/** What happened to the keys of a provider. `name` and `id` are public. No event has a secret in it. */
export type KeyRingEvent = {
  ring: string
  tenant?: string
  /** The name of the key, at the provider too. Of a key that was put into the vault by hand, its name there. */
  name: string
} & (
  | { type: 'provider_key_created' }
  /** The provider does not accept it: not yet, or no longer. */
  | { type: 'provider_key_not_working' }
  /** It is used from now on. */
  | { type: 'provider_key_current' }
  /** The provider still accepts it after it was revoked. */
  | { type: 'provider_key_lingers' }
  /** It is deleted, at the provider and in the vault. */
  | { type: 'provider_key_ended' }
  /** Its creation was interrupted: the provider may have a key of this name that is not registered here. */
  | { type: 'provider_key_lost' }
  /**
   * Provider or vault failed, or took more than ten seconds: this key waits for the next `step()`. `step`: the call that failed.
   * Before the key exists, `name` is the ring's name.
   */
  | { type: 'provider_key_stuck'; step?: string }
  /** The provider refused it in `use()`. */
  | { type: 'provider_key_refused' }
)
