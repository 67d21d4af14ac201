/** Open holds: by key, by subject, and by expiry. */
interface OpenHolds<HoldState> {
  get(key: string): HoldState | undefined
  add(key: string, held: HoldState): void
  /** Whether it was open. */
  delete(key: string, held: HoldState): boolean
  /** In the order in which they were added. */
  forSubject(subject: string): HoldState[]
  /** Holds that have expired, the earliest first. They are still open: the caller closes them. */
  ended(at: number): Generator<HoldState>
}

interface Ending<HoldState> {
  readonly key: string
  readonly held: HoldState
}

/** Expiries of closed holds that may stay in the heap, in addition to as many as there are open holds. */
const SPARE = 100

export function createOpenHolds<HoldState extends { readonly until: number }>(
  subjectsOf: (held: HoldState) => readonly string[],
): OpenHolds<HoldState> {
  const open = new Map<string, HoldState>()
  const bySubject = new Map<string, Map<string, HoldState>>()
  /** A binary min-heap by expiry. */
  let ends: Ending<HoldState>[] = []

  const endAt = (place: number): number => ends[place]?.held.until ?? Number.POSITIVE_INFINITY

  function swap(one: number, other: number): void {
    const [first, second] = [ends[one], ends[other]] as [Ending<HoldState>, Ending<HoldState>]
    ends[one] = second
    ends[other] = first
  }

  function push(ending: Ending<HoldState>): void {
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
        const own = bySubject.get(subject) ?? new Map<string, HoldState>()
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

    forSubject: (subject) => [...(bySubject.get(subject)?.values() ?? [])],

    *ended(at) {
      while (endAt(0) <= at) {
        const { key, held } = ends[0] as Ending<HoldState>
        shift()
        if (open.get(key) === held) yield held
      }
    },
  }
}
