import { platform } from '../crypto/platform.js'
import { createSealer, keyId, type Opened } from '../crypto/seal.js'
import { Refusal } from './errors.js'
import { type Settings, weakness } from './options.js'

/** Seals and opens by purpose, with keys that may come from a secret manager. */
export interface Keyring {
  seal(purpose: string, plaintext: string): Promise<string>
  /** The text and whether an older key sealed it; `undefined` for anything else, junk included. */
  open(purpose: string, sealed: string): Promise<Opened | undefined>
  /** The public names of the keys, first the one that seals. */
  ids(): Promise<string[]>
}

/** Characters of a record's tokens, which come from our own store: sixteen of the longest there are. */
const RECORD = 1_048_576

/** Seconds after which keys from a function are asked for again: a rotation is noticed within that time. */
const REREAD = 300

export function createKeyring({ cookieKeys, now, emit }: Pick<Settings, 'cookieKeys' | 'now' | 'emit'>): Keyring {
  const dynamic = cookieKeys.some((key) => typeof key === 'function')
  let keys: Promise<string[]> | undefined
  let readAt = 0
  let sealers = new Map<string, ReturnType<typeof createSealer>>()

  function current(): Promise<string[]> {
    if (!keys || (dynamic && now() - readAt > REREAD)) {
      readAt = now()
      sealers = new Map()
      const reading = Promise.all(cookieKeys.map(async (key) => (typeof key === 'function' ? key() : key))).then(
        examined,
      )
      keys = reading
      // A failure is not remembered: the next request asks again.
      reading.catch(() => {
        if (keys === reading) keys = undefined
      })
    }
    return keys
  }

  function examined(values: string[]): string[] {
    const remedy = values.map((value) => weakness(value, 32)).find(Boolean)
    if (!remedy) return values
    emit({ type: 'operator_error', detail: `A cookie key ${remedy}` })
    throw new Refusal('operator_error', { description: 'A cookie key cannot be used.' })
  }

  async function sealer(purpose: string) {
    const values = await current()
    let found = sealers.get(purpose)
    if (!found) {
      found = createSealer(values, purpose, platform, purpose === 'record' ? RECORD : undefined)
      sealers.set(purpose, found)
    }
    return found
  }

  return {
    seal: async (purpose, plaintext) => (await sealer(purpose)).seal(plaintext),
    open: async (purpose, sealed) => (await sealer(purpose)).open(sealed),
    ids: async () => Promise.all((await current()).map((key) => keyId(key))),
  }
}

/** Opens what was sealed as JSON. Only this backend can have sealed it: its shape is believed. */
export async function openJson<Content>(
  keyring: Keyring,
  purpose: string,
  sealed: string,
): Promise<Content | undefined> {
  const opened = await keyring.open(purpose, sealed)
  return opened && (JSON.parse(opened.plaintext) as Content)
}
