import { createSealer, keyId, type Sealer, sealedHeader, type UnsealedText } from '../../crypto/seal.js'
import { type BoundedCache, createBoundedCache } from '../../protocol/bounded-cache.js'
import { secretWeakness } from '../../protocol/option-checks.js'
import { createSecretCache, isDynamic, resolveSecret } from '../../protocol/secret.js'
import { Refusal } from '../errors.js'
import { KEPT_AFTER_END } from '../lifetimes.js'
import type { Settings } from '../settings.js'
import { appOf } from '../store/app-store.js'

/**
 * Seals and opens texts with the cookie keys. A sealed text opens for the same purpose and the same app only, even if apps share
 * keys. The keys may come from a secret manager.
 */
export interface CookieKeys {
  seal(purpose: string, plaintext: string): Promise<string>
  /**
   * The text, and whether an older key sealed it; `undefined` if it does not open. Returns the same object while it is cached,
   * because the same cookie comes with every request.
   */
  open(purpose: string, sealed: string): Promise<UnsealedText | undefined>
  /** Like `open()`, but synchronous, and from the cache only. */
  remembered(purpose: string, sealed: string): UnsealedText | undefined
  /** Whether a text that does not open claims to be of another release. Not authenticated. */
  release(sealed: string): 'earlier' | 'later' | undefined
  /** The ids of the keys, first the one that seals. */
  ids(): Promise<string[]>
}

/** Characters of a record in the store: sixteen tokens of the maximum length fit. */
const MAX_RECORD = 1_048_576

/** Characters in the cache of each purpose, sealed and opened. */
const MAX_REMEMBERED = 16_777_216
/** Purposes that are cached; other texts are opened once. */
const sentWithEveryRequest = new Set(['session', 'idle', 'record session'])
/** Characters of a sealed text's tag: 128 bits as base64url. */
const TAG_LENGTH = 22

export function createCookieKeys(settings: Settings): CookieKeys {
  const { cookieKeys, now, emit } = settings
  // No cookie or record is older.
  const maxAge = settings.absoluteTimeout + KEPT_AFTER_END
  const app = appOf(settings)
  const keys = createSecretCache(async () => validateKeys(await Promise.all(cookieKeys.map(resolveSecret))), {
    dynamic: isDynamic(cookieKeys),
    now,
    // Without keys nobody is signed in, so the previous keys are used.
    onFailure: () =>
      emit({ type: 'operator_error', detail: 'The cookie keys cannot be read again; the previous keys are used' }),
  })
  let ring: Ring | undefined

  /** The current keys, and the texts that were opened with them. */
  function currentRing(): Ring {
    const values = keys()
    if (ring?.keys !== values) ring = { keys: values, purposes: new Map() }
    return ring
  }

  function validateKeys(values: string[]): string[] {
    const remedy = values.map((value) => secretWeakness(value, 32)).find(Boolean)
    if (!remedy) return values
    emit({ type: 'operator_error', detail: `A cookie key ${remedy}` })
    throw new Refusal('operator_error', { description: 'A cookie key cannot be used.' })
  }

  async function keysFor(purpose: string): Promise<PurposeKeys> {
    const { keys, purposes } = currentRing()
    const values = await keys
    let found = purposes.get(purpose)
    if (!found) {
      const sealer = createSealer(values, purpose, {
        app,
        age: maxAge,
        now,
        ...(purpose.startsWith('record ') && { limit: MAX_RECORD }),
      })
      found = { sealer, remembered: createBoundedCache(MAX_REMEMBERED) }
      purposes.set(purpose, found)
    }
    return found
  }

  function recall(purpose: string, sealed: string): UnsealedText | undefined {
    // The cache key is the tag at the end, which is shorter; then the whole text is compared.
    const hit = currentRing().purposes.get(purpose)?.remembered.get(sealed.slice(-TAG_LENGTH))
    return hit?.sealed === sealed ? hit.opened : undefined
  }

  return {
    seal: async (purpose, plaintext) => (await keysFor(purpose)).sealer.seal(plaintext),
    remembered: recall,
    async open(purpose, sealed) {
      const hit = recall(purpose, sealed)
      if (hit) return hit
      const { sealer, remembered } = await keysFor(purpose)
      const opened = await sealer.open(sealed)
      if (opened && sentWithEveryRequest.has(purpose))
        remembered.set(sealed.slice(-TAG_LENGTH), { sealed, opened }, sealed.length + opened.plaintext.length)
      return opened
    },
    release: (sealed) => releases[sealedHeader(sealed).format],
    ids: async () => Promise.all((await currentRing().keys).map((key) => keyId(key))),
  }
}

const releases = { unversioned: 'earlier', later: 'later', known: undefined, none: undefined } as const

interface Ring {
  keys: Promise<string[]>
  purposes: Map<string, PurposeKeys>
}

interface PurposeKeys {
  sealer: Sealer
  remembered: BoundedCache<{ sealed: string; opened: UnsealedText }>
}

const parsed = new WeakMap<UnsealedText, unknown>()

/** Opens JSON. Its shape is not checked, because only this backend can have sealed it. */
export async function openJson<Content>(
  cookieKeys: CookieKeys,
  purpose: string,
  sealed: string,
): Promise<Content | undefined> {
  const opened = await cookieKeys.open(purpose, sealed)
  return opened && (parseOnce(opened, () => JSON.parse(opened.plaintext)) as Content)
}

/** Parses an opened text once while it is cached. Do not change the result. */
export function parseOnce<Content>(opened: UnsealedText, parse: () => Content): Content {
  let content = parsed.get(opened) as Content | undefined
  if (content === undefined) {
    content = parse()
    parsed.set(opened, content)
  }
  return content
}
