import { createSealer, keyId, type Sealer, sealedHeader, type UnsealedText } from '../../crypto/seal.js'
import { type BoundedCache, createBoundedCache } from '../../protocol/bounded-cache.js'
import { secretWeakness } from '../../protocol/option-checks.js'
import { createSecretCache, isDynamic, resolveSecret } from '../../protocol/secret.js'
import { Refusal } from '../errors.js'
import { KEPT_AFTER_END } from '../lifetimes.js'
import type { Settings } from '../settings.js'
import { appOf } from '../store/app-store.js'

/**
 * Seals and opens by purpose, for this app alone, with keys that may come from a secret manager. What another app has sealed
 * with the same keys does not open.
 */
export interface CookieKeys {
  seal(purpose: string, plaintext: string): Promise<string>
  /**
   * The text and whether an older key sealed it; `undefined` for anything else, junk included. The same object while it is
   * remembered: a cookie comes again with every request.
   */
  open(purpose: string, sealed: string): Promise<UnsealedText | undefined>
  /** The same, at once, for what is remembered. */
  remembered(purpose: string, sealed: string): UnsealedText | undefined
  /** Whether a text that does not open says that it is of another release, and of which. Anybody can say so. */
  release(sealed: string): 'earlier' | 'later' | undefined
  /** The public names of the keys, first the one that seals. */
  ids(): Promise<string[]>
}

/** Characters of a record, which comes from our own store: with sixteen tokens of the longest there are. */
const MAX_RECORD = 1_048_576

/** Characters, sealed and opened, that are remembered at most for each purpose. */
const MAX_REMEMBERED = 16_777_216
/** What comes again with every request; everything else is opened once. */
const sentWithEveryRequest = new Set(['session', 'idle', 'record session'])
/** Characters of a sealed text's tag: 128 bits as base64url. */
const TAG_LENGTH = 22

export function createCookieKeys(settings: Settings): CookieKeys {
  const { cookieKeys, now, emit } = settings
  // Nothing that a browser or the store holds is older.
  const maxAge = settings.absoluteTimeout + KEPT_AFTER_END
  const app = appOf(settings)
  const keys = createSecretCache(async () => validateKeys(await Promise.all(cookieKeys.map(resolveSecret))), {
    dynamic: isDynamic(cookieKeys),
    now,
    // Every session is sealed, so without keys nobody is signed in: those from before serve until there are others.
    onFailure: () =>
      emit({ type: 'operator_error', detail: 'The cookie keys cannot be read again; those from before are used' }),
  })
  let ring: Ring | undefined

  /** The keys as of now, and what was opened with exactly them. */
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
    // By its end, the tag, which is cheaper to look up than the whole; the whole decides.
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

/** Opens what was sealed as JSON. Only this backend can have sealed it: its shape is believed. */
export async function openJson<Content>(
  cookieKeys: CookieKeys,
  purpose: string,
  sealed: string,
): Promise<Content | undefined> {
  const opened = await cookieKeys.open(purpose, sealed)
  return opened && (parseOnce(opened, () => JSON.parse(opened.plaintext)) as Content)
}

/** What was opened, parsed once for as long as it is remembered: nobody may change it. */
export function parseOnce<Content>(opened: UnsealedText, parse: () => Content): Content {
  let content = parsed.get(opened) as Content | undefined
  if (content === undefined) {
    content = parse()
    parsed.set(opened, content)
  }
  return content
}
