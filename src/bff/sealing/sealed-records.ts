import type { MaybePromise } from '../../crypto/primitives.js'
import type { UnsealedText } from '../../crypto/seal.js'
import { type CookieKeys, parseOnce } from './cookie-keys.js'

/** The content of a record; `stale` if an older key sealed it, so that it should be sealed again. */
interface Unsealed<Content> {
  readonly content: Content
  readonly stale: boolean
}

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
 * Records in a store, sealed: somebody else who can write to the store cannot read, make or change them. A value is bound to its
 * kind and id, so it does not open in the place of another record. An older value of the same record can be restored.
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

    /** `later`: a later release wrote it. `undefined`: it does not open. `revive` restores what JSON cannot represent. */
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
