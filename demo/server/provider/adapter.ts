/** The data of oidc-provider: payloads, by model. */
type Payload = Record<string, unknown> & { grantId?: string; uid?: string; consumed?: number }

interface Entry {
  payload: Payload
  /** Epoch milliseconds. */
  until: number
}

/** The memory of one provider: it is lost when the process ends, and a test can remove any part of it. */
export function createStorage() {
  const entries = new Map<string, Entry>()

  const live = (key: string): Payload | undefined => {
    const entry = entries.get(key)
    if (entry && entry.until > Date.now()) return entry.payload
    entries.delete(key)
    return undefined
  }

  /** Removes the entries that `chosen` selects, by model or payload. */
  const drop = (chosen: (model: string, payload: Payload) => boolean) => {
    for (const [key, { payload }] of entries) if (chosen(key.slice(0, key.indexOf(':')), payload)) entries.delete(key)
  }

  /** One adapter per model, as oidc-provider requires. */
  const adapter = (model: string) => ({
    async upsert(id: string, payload: Payload, expiresIn?: number) {
      // Oldest first, so that a long-running demo stays small.
      drop(() => entries.size > 10_000)
      entries.set(`${model}:${id}`, {
        payload,
        until: expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000,
      })
    },
    find: async (id: string) => live(`${model}:${id}`),
    findByUid: async (uid: string) =>
      [...entries.keys()]
        .filter((key) => key.startsWith(`${model}:`))
        .map(live)
        .find((payload) => payload?.uid === uid),
    findByUserCode: async () => undefined,
    async consume(id: string) {
      const payload = live(`${model}:${id}`)
      if (payload) payload.consumed = Math.floor(Date.now() / 1000)
    },
    async destroy(id: string) {
      entries.delete(`${model}:${id}`)
    },
    async revokeByGrantId(grantId: string) {
      drop((found, payload) => found !== 'Grant' && payload.grantId === grantId)
    },
  })

  return { adapter, drop }
}
