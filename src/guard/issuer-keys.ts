import { errors, type JWTVerifyGetKey } from 'jose'
import { isSafeUrl } from '../protocol/option-checks.js'
import { monotonicClock, type Now } from '../protocol/time.js'
import { isTemporary, requestErrorIn, requestFailure } from '../provider/failures/failure.js'
import { createMetadataFetch } from '../provider/failures/metadata-fetch.js'
import { objectIn, UnreadableResponse } from '../provider/failures/provider-fetch.js'
import { createKeySet, type KeySet } from '../provider/jwt/key-set.js'

const METADATA_PATH = '/.well-known/openid-configuration'

interface IssuerKeysOptions {
  issuer: string
  jwksUri: string | undefined
  fetch: typeof globalThis.fetch
  /** Seconds without a further fetch for unknown keys, after one that has not found its key. */
  cooldown: number
  /** Seconds that keys are used after they were fetched, also while the issuer is down. */
  maxAge: number
  timeout: number
  now: Now
}

export interface IssuerKeys extends JWTVerifyGetKey {
  /** A number that changes whenever the keys are fetched; `undefined` during a fetch, or if the keys are too old. */
  generation(): number | undefined
  /** Whether a key with this `kid` can be used without a request to the issuer. */
  knows(kid: string | undefined): boolean
}

/** The issuer's keys cannot be read or used. The token may be valid. The message is for the operator. */
export class KeysUnavailable extends Error {
  /** The issuer is down. Otherwise the configuration is wrong, or that of the issuer. */
  readonly temporary: boolean

  constructor({ message, temporary }: { message: string; temporary: boolean }, options?: ErrorOptions) {
    super(message, options)
    this.temporary = temporary
  }
}

/**
 * The keys of an issuer, from `jwksUri` or from the issuer's metadata (RFC 8414, OpenID Connect Discovery). An unknown `kid`
 * causes a new fetch; if the key is not found there, no further one during the cool-down. Keys that are too old are fetched again;
 * if that fails, they verify nothing.
 */
export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { issuer, jwksUri, cooldown, maxAge, timeout } = options
  const readDocument = createMetadataFetch(options.fetch, issuer)
  const now = monotonicClock(options.now)
  let found: { keys: KeySet; at: number } | undefined
  let finding: Promise<KeySet> | undefined
  let failed: { error: unknown; at: number } | undefined
  /** Fetches of key sets that are not used any more: the document may name another URL after each `maxAge`. */
  let earlier = 0

  async function discover(): Promise<string> {
    if (jwksUri !== undefined) return jwksUri
    const url = `${issuer.replace(/\/$/, '')}${METADATA_PATH}`
    const response = await readDocument(url, { signal: AbortSignal.timeout(timeout * 1000), redirect: 'manual' })
    const { jwks_uri } = objectIn(await response.text())
    if (!isSafeUrl(jwks_uri)) throw new UnreadableResponse(url, response.status, 'no usable jwks_uri')
    return jwks_uri
  }

  /** @throws RequestError, or an error of jose */
  async function find(): Promise<KeySet> {
    const uri = new URL(await discover())
    const keys = createKeySet({ uri, fetch: options.fetch, timeout, cooldown, clock: now })
    await keys.reload()
    earlier += found?.keys.fetches ?? 0
    found = { keys, at: now() }
    return keys
  }

  /** One fetch at a time. After a failure, none during the cool-down. */
  async function renewed() {
    if (!finding) {
      if (failed && now() - failed.at < cooldown) throw failed.error
      finding = find()
        .catch((error) => {
          failed = { error, at: now() }
          throw error
        })
        .finally(() => {
          finding = undefined
        })
    }
    return finding
  }

  function unavailable(cause: unknown): KeysUnavailable {
    const failed = requestErrorIn(cause)
    const failure = failed && requestFailure(failed, failed.url.endsWith(METADATA_PATH) ? 'metadata' : 'keys')
    const message = failure?.detail ?? 'keys: 200, no usable keys'
    return new KeysUnavailable({ message, temporary: failure !== undefined && isTemporary(failure) }, { cause })
  }

  const keyFor: JWTVerifyGetKey = async (header, token) => {
    let keys = found?.keys
    if (!keys || !found || now() - found.at >= maxAge) {
      try {
        keys = await renewed()
      } catch (cause) {
        throw unavailable(cause)
      }
    }
    try {
      return await keys.find()(header, token)
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error
      throw unavailable(error)
    }
  }
  const generation = () =>
    found && !found.keys.reloading && now() - found.at < maxAge ? earlier + found.keys.fetches : undefined

  /** The `kid`s of the keys, read once for each generation, because `jwks()` copies the whole set. */
  let names: { generation: number; kids: ReadonlySet<string | undefined> } | undefined
  function knows(kid: string | undefined): boolean {
    const present = generation()
    if (present === undefined) return false
    if (names?.generation !== present)
      names = { generation: present, kids: new Set(found?.keys.jwks()?.keys.map((key) => key.kid)) }
    return names.kids.has(kid)
  }
  return Object.assign(keyFor, { generation, knows })
}
