/** What oidc-provider keeps: it calls these things payloads, and their kinds models. */
type Payload = Record<string, unknown> & { grantId?: string; uid?: string; consumed?: number }

interface Entry {
  payload: Payload
  /** Epoch milliseconds. */
  until: number
}

/** Memory for one provider: everything is gone when the process ends, and a test can take away any part of it. */
export function createStorage() {
  const entries = new Map<string, Entry>()

  const live = (key: string): Payload | undefined => {
    const entry = entries.get(key)
    if (entry && entry.until > Date.now()) return entry.payload
    entries.delete(key)
    return undefined
  }

  /** Drops what `chosen` names: by model, or by what it holds. */
  const drop = (chosen: (model: string, payload: Payload) => boolean) => {
    for (const [key, { payload }] of entries) if (chosen(key.slice(0, key.indexOf(':')), payload)) entries.delete(key)
  }

  /** One adapter per model, as oidc-provider asks for them. */
  const adapter = (model: string) => ({
    async upsert(id: string, payload: Payload, expiresIn?: number) {
      // Oldest first: a demo that is left running stays small.
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
