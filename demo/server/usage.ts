import { type KeyEvent, parseApiKey } from 'sallyport/keys'

/** What became of a call: the API served it, the key lacked a scope, was refused, called too often, or nobody could tell. */
export type Outcome = 'accepted' | 'insufficient_scope' | 'refused' | 'limited' | 'unavailable'

/** One minute of use. */
export interface Minute extends Record<Outcome, number> {
  /** Epoch seconds at which it began. */
  at: number
}

/** What the watch has noticed of a key. */
export interface Notice {
  id: string
  kind: 'burst' | 'new_network'
  /** Epoch seconds. */
  at: number
}

/** Minutes that are shown. */
const span = 20
/** Different counts that one minute holds at most, for whoever makes up ids. */
const most = 10_000
const notices = 50

/**
 * How keys are used, in the memory of this process. What is counted is the API's answer, which knows of the scope and of
 * what the guard alone refuses. Of the key nothing but its id is looked at.
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

  /** The id of the key in a request, wherever it was put. Whether it is one that is known is not asked. */
  function idIn({ headers, url }: Request): string | undefined {
    const bearer = headers.get('authorization')?.replace(/^bearer +/i, '')
    const places = [headers.get('x-api-key'), bearer, ...new URL(url).searchParams.values()]
    return places.map((text) => parseApiKey(text ?? '')).find((parsed) => parsed?.prefix === prefix)?.id
  }

  return {
    /** An API, with its calls by key counted. */
    counted: (api: { fetch(request: Request): Response | Promise<Response> }) => ({
      async fetch(request: Request): Promise<Response> {
        const id = idIn(request)
        const response = await api.fetch(request)
        if (id !== undefined) add(id, await outcomeOf(response))
        return response
      },
    }),

    /** Hears what happens to keys, and keeps what looks odd. */
    hear(event: KeyEvent): void {
      if (event.type !== 'key_anomaly') return
      noticed = [{ id: event.id, kind: event.kind, at: Math.floor(Date.now() / 1000) }, ...noticed].slice(0, notices)
    },

    /** The last minutes of these keys together, oldest first, and what was noticed of them. */
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
