/** Open holds: by key, by subject, and by expiry. */
export interface OpenHolds<Held> {
  get(key: string): Held | undefined
  add(key: string, held: Held): void
  /** Whether it was open. */
  delete(key: string, held: Held): boolean
  /** In the order in which they were added. */
  of(subject: string): Held[]
  /** Holds that have expired, the earliest first. They are still open: the caller closes them. */
  ended(at: number): Generator<Held>
}

interface Ending<Held> {
  readonly key: string
  readonly held: Held
}

/** Expiries of closed holds that may stay in the heap, in addition to as many as there are open holds. */
const SPARE = 100

export function createOpenHolds<Held extends { readonly until: number }>(
  subjectsOf: (held: Held) => readonly string[],
): OpenHolds<Held> {
  const open = new Map<string, Held>()
  const bySubject = new Map<string, Map<string, Held>>()
  /** A binary min-heap by expiry. */
  let ends: Ending<Held>[] = []

  const endAt = (place: number): number => ends[place]?.held.until ?? Number.POSITIVE_INFINITY

  function swap(one: number, other: number): void {
    const [first, second] = [ends[one], ends[other]] as [Ending<Held>, Ending<Held>]
    ends[one] = second
    ends[other] = first
  }

  function push(ending: Ending<Held>): void {
    let place = ends.push(ending) - 1
    while (place > 0) {
      const above = (place - 1) >> 1
      if (endAt(above) <= endAt(place)) return
      swap(above, place)
      place = above
    }
  }

  function shift(): void {
    const last = ends.pop()
    if (!last || !ends.length) return
    ends[0] = last
    for (let place = 0; ; ) {
      const below = 2 * place + 1
      const next = endAt(below + 1) < endAt(below) ? below + 1 : below
      if (endAt(place) <= endAt(next)) return
      swap(place, next)
      place = next
    }
  }

  return {
    get: (key) => open.get(key),

    add(key, held) {
      open.set(key, held)
      for (const subject of subjectsOf(held)) {
        const own = bySubject.get(subject) ?? new Map<string, Held>()
        bySubject.set(subject, own.set(key, held))
      }
      if (ends.length > 2 * open.size + SPARE) {
        ends = []
        for (const [key, held] of open) push({ key, held })
      } else push({ key, held })
    },

    delete(key, held) {
      if (!open.delete(key)) return false
      for (const subject of subjectsOf(held)) {
        const own = bySubject.get(subject)
        own?.delete(key)
        if (!own?.size) bySubject.delete(subject)
      }
      return true
    },

    of: (subject) => [...(bySubject.get(subject)?.values() ?? [])],

    *ended(at) {
      while (endAt(0) <= at) {
        const { key, held } = ends[0] as Ending<Held>
        shift()
        if (open.get(key) === held) yield held
      }
    },
  }
}
