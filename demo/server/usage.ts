import { type KeyEvent, parseApiKey } from 'sallyport/keys'

/** The result of a call: accepted, scope missing, key refused, quota exceeded, or store down. */
export type Outcome = 'accepted' | 'insufficient_scope' | 'refused' | 'limited' | 'unavailable'

/** One minute of use. */
export interface Minute extends Record<Outcome, number> {
  /** Its start in epoch seconds. */
  at: number
}

/** A remark of the monitoring about a key. */
export interface Notice {
  id: string
  kind: 'burst' | 'new_network'
  /** Epoch seconds. */
  at: number
}

/** The number of minutes that are shown. */
const span = 20
/** The maximum number of counters per minute, because callers can invent ids. */
const most = 10_000
const notices = 50

/**
 * The use of keys, in the memory of this process. It counts the API's responses, because they include the scope check and
 * the guard's refusals. It reads only the id of a key.
 */
export function createUsage(prefix: string) {
  const minutes = new Map<number, Map<string, number>>()
  let noticed: Notice[] = []

  function add(id: string, outcome: Outcome): void {
    const now = Math.floor(Date.now() / 60_000)
    for (const minute of minutes.keys()) if (minute <= now - span) minutes.delete(minute)
    const counts = minutes.get(now) ?? new Map<string, number>()
    const name = `${id} ${outcome}`
    if (counts.size < most || counts.has(name)) minutes.set(now, counts.set(name, (counts.get(name) ?? 0) + 1))
  }

  /** The id of the key in a request, in any place. It may be unknown. */
  function idIn({ headers, url }: Request): string | undefined {
    const bearer = headers.get('authorization')?.replace(/^bearer +/i, '')
    const places = [headers.get('x-api-key'), bearer, ...new URL(url).searchParams.values()]
    return places.map((text) => parseApiKey(text ?? '')).find((parsed) => parsed?.prefix === prefix)?.id
  }

  return {
    /** Wraps an API, and counts its calls by key. */
    counted: (api: { fetch(request: Request): Response | Promise<Response> }) => ({
      async fetch(request: Request): Promise<Response> {
        const id = idIn(request)
        const response = await api.fetch(request)
        if (id !== undefined) add(id, await outcomeOf(response))
        return response
      },
    }),

    /** Gets the events of keys, and keeps anomalies. */
    hear(event: KeyEvent): void {
      if (event.type !== 'key_anomaly') return
      noticed = [{ id: event.id, kind: event.kind, at: Math.floor(Date.now() / 1000) }, ...noticed].slice(0, notices)
    },

    /** The last minutes of these keys together, oldest first, and their anomalies. */
    of(ids: ReadonlySet<string>): { minutes: Minute[]; noticed: Notice[] } {
      const now = Math.floor(Date.now() / 60_000)
      const shown = Array.from({ length: span }, (_, back) => minuteOf(now - span + 1 + back, ids))
      return { minutes: shown, noticed: noticed.filter(({ id }) => ids.has(id)).slice(0, 3) }
    },
  }

  function minuteOf(minute: number, ids: ReadonlySet<string>): Minute {
    const sum: Minute = {
      at: minute * 60,
      accepted: 0,
      insufficient_scope: 0,
      refused: 0,
      limited: 0,
      unavailable: 0,
    }
    for (const [name, count] of minutes.get(minute) ?? []) {
      const [id = '', outcome] = name.split(' ')
      if (ids.has(id)) sum[outcome as Outcome] += count
    }
    return sum
  }
}

export type Usage = ReturnType<typeof createUsage>

async function outcomeOf(response: Response): Promise<Outcome> {
  const { status } = response
  if (status === 429) return 'limited'
  if (status >= 500) return 'unavailable'
  if (status !== 403) return status === 400 || status === 401 ? 'refused' : 'accepted'
  const { error } = await response.clone().json()
  return error === 'insufficient_scope' ? 'insufficient_scope' : 'refused'
}
