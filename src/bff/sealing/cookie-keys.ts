import { createSealer, keyId, type Sealer, sealedHeader, type UnsealedText } from '../../crypto/seal.js'
import { type BoundedCache, createBoundedCache } from '../../protocol/bounded-cache.js'
import { secretWeakness } from '../../protocol/option-checks.js'
import { createSecretCache, isDynamic, resolveSecret } from '../../protocol/secret.js'
import { Refusal } from '../errors.js'
import { REMEMBRANCE } from '../lifetimes.js'
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
const RECORD = 1_048_576

/** Characters, sealed and opened, that are remembered at most for each purpose. */
const REMEMBERED = 16_777_216
/** What comes again with every request; everything else is opened once. */
const recurring = new Set(['session', 'idle', 'record session'])
/** Characters of a sealed text's tag: 128 bits as base64url. */
const TAG = 22

export function createCookieKeys(settings: Settings): CookieKeys {
  const { cookieKeys, now, emit } = settings
  // Nothing that a browser or the store holds is older.
  const age = settings.absoluteTimeout + REMEMBRANCE
  const app = appOf(settings)
  const keys = createSecretCache(async () => examined(await Promise.all(cookieKeys.map(resolveSecret))), {
    dynamic: isDynamic(cookieKeys),
    now,
    // Every session is sealed, so without keys nobody is signed in: those from before serve until there are others.
    onFailure: () =>
      emit({ type: 'operator_error', detail: 'The cookie keys cannot be read again; those from before are used' }),
  })
  let ring: Ring | undefined

  /** The keys as of now, and what was opened with exactly them. */
  function current(): Ring {
    const values = keys()
    if (ring?.keys !== values) ring = { keys: values, purposes: new Map() }
    return ring
  }

  function examined(values: string[]): string[] {
    const remedy = values.map((value) => secretWeakness(value, 32)).find(Boolean)
    if (!remedy) return values
    emit({ type: 'operator_error', detail: `A cookie key ${remedy}` })
    throw new Refusal('operator_error', { description: 'A cookie key cannot be used.' })
  }

  async function of(purpose: string): Promise<Purpose> {
    const { keys, purposes } = current()
    const values = await keys
    let found = purposes.get(purpose)
    if (!found) {
      const sealer = createSealer(values, purpose, {
        app,
        age,
        now,
        ...(purpose.startsWith('record ') && { limit: RECORD }),
      })
      found = { sealer, remembered: createBoundedCache(REMEMBERED) }
      purposes.set(purpose, found)
    }
    return found
  }

  function recall(purpose: string, sealed: string): UnsealedText | undefined {
    // By its end, the tag, which is cheaper to look up than the whole; the whole decides.
    const known = current().purposes.get(purpose)?.remembered.get(sealed.slice(-TAG))
    return known?.sealed === sealed ? known.opened : undefined
  }

  return {
    seal: async (purpose, plaintext) => (await of(purpose)).sealer.seal(plaintext),
    remembered: recall,
    async open(purpose, sealed) {
      const known = recall(purpose, sealed)
      if (known) return known
      const { sealer, remembered } = await of(purpose)
      const opened = await sealer.open(sealed)
      if (opened && recurring.has(purpose))
        remembered.set(sealed.slice(-TAG), { sealed, opened }, sealed.length + opened.plaintext.length)
      return opened
    },
    release: (sealed) => releases[sealedHeader(sealed).format],
    ids: async () => Promise.all((await current().keys).map((key) => keyId(key))),
  }
}

const releases = { unversioned: 'earlier', later: 'later', known: undefined, none: undefined } as const

interface Ring {
  keys: Promise<string[]>
  purposes: Map<string, Purpose>
}

interface Purpose {
  sealer: Sealer
  remembered: BoundedCache<{ sealed: string; opened: UnsealedText }>
}

const parsed = new WeakMap<UnsealedText, unknown>()

/** Opens what was sealed as JSON. Only this backend can have sealed it: its shape is believed. */
export async function openJson<Content>(
  keyring: CookieKeys,
  purpose: string,
  sealed: string,
): Promise<Content | undefined> {
  const opened = await keyring.open(purpose, sealed)
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
