import { type Keyring, parseOnce } from './keyring.js'

/** What a record says, and whether it should be sealed again because an older key sealed it. */
export interface Unsealed<Content> {
  readonly content: Content
  readonly stale: boolean
}

export type SealedRecords = ReturnType<typeof createSealedRecords>

/**
 * What this app keeps in a store, sealed: whoever else can write there can make none of it, alter none of it and read none
 * of it. A value is bound to its kind and id, so it says nothing in another's place. An older one can be put back in its own.
 */
export function createSealedRecords(keyring: Keyring) {
  return {
    seal: (kind: string, id: string, content: object): Promise<string> =>
      keyring.seal(`record ${kind}`, JSON.stringify({ of: id, content })),

    /** `later`: a later release wrote it. `undefined`: it is not ours, or the key is retired. `revive` makes what JSON cannot say. */
    async open<Content>(
      kind: string,
      id: string,
      value: string,
      revive: (content: never) => Content = (content) => content,
    ): Promise<Unsealed<Content> | 'later' | undefined> {
      const opened = await keyring.open(`record ${kind}`, value)
      if (!opened) return keyring.release(value) === 'later' ? 'later' : undefined
      const { of, content } = parseOnce(opened, () => {
        const parsed = JSON.parse(opened.plaintext)
        return { of: parsed.of as string, content: revive(parsed.content as never) }
      })
      return of === id ? { content, stale: opened.stale } : undefined
    },
  }
}
