import type { MaybePromise } from '../../crypto/primitives.js'
import type { UnsealedText } from '../../crypto/seal.js'
import { type CookieKeys, parseOnce } from './cookie-keys.js'

/** What a record says, and whether it should be sealed again because an older key sealed it. */
export interface Unsealed<Content> {
  readonly content: Content
  readonly stale: boolean
}

/** The purpose of each kind. */
const purposes = {
  session: 'record session',
  attempt: 'record attempt',
  idle: 'record idle',
  'not-before': 'record not-before',
  'logout-hint': 'record logout-hint',
} as const

export type SealedKind = keyof typeof purposes

export type SealedRecords = ReturnType<typeof createSealedRecords>

/**
 * What this app keeps in a store, sealed: whoever else can write there can make none of it, alter none of it and read none
 * of it. A value is bound to its kind and id, so it says nothing in another's place. An older one can be put back in its own.
 */
export function createSealedRecords(cookieKeys: CookieKeys) {
  const read = <Content>(opened: UnsealedText, id: string, revive: (content: never) => Content) => {
    const { of, content } = parseOnce(opened, () => {
      const parsed = JSON.parse(opened.plaintext)
      return { of: parsed.of as string, content: revive(parsed.content as never) }
    })
    return of === id ? { content, stale: opened.stale } : undefined
  }

  return {
    seal: (kind: SealedKind, id: string, content: object): Promise<string> =>
      cookieKeys.seal(purposes[kind], JSON.stringify({ of: id, content })),

    /** `later`: a later release wrote it. `undefined`: it is not ours, or the key is retired. `revive` makes what JSON cannot say. */
    open<Content>(
      kind: SealedKind,
      id: string,
      value: string,
      revive: (content: never) => Content = (content) => content,
    ): MaybePromise<Unsealed<Content> | 'later' | undefined> {
      const opened = cookieKeys.remembered(purposes[kind], value)
      if (opened) return read(opened, id, revive)
      return cookieKeys.open(purposes[kind], value).then((opened) => {
        if (opened) return read(opened, id, revive)
        return cookieKeys.release(value) === 'later' ? 'later' : undefined
      })
    },
  }
}
