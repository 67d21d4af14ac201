import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { StreamLifetime } from '../../protocol/http/upstream.js'
import type { BffContext } from '../context.js'
import { type BffEvent, shortId } from '../events.js'
import type { PresentSession, Sessions } from '../sessions/sessions.js'

/** Milliseconds between two looks at the sessions of what is open: for those that end in another process. */
const CHECK_INTERVAL = 5000

/** Something that goes on for as long as a session does. */
interface OpenStream {
  readonly sessionRequest: PlainRequest
  readonly sub: string
  end(): void
}

export type Streams = ReturnType<typeof createStreams>

/** What the proxy works with. */
export interface ProxyContext extends BffContext {
  streams: Streams
}

/**
 * Streams and sockets that are open, by session. They end with it: in this process at once, in another within seconds. An
 * open one is no activity. A store that is away ends nothing.
 */
export function createStreams(sessions: Pick<Sessions, 'read'>) {
  const open = new Map<string, Set<OpenStream>>()
  let scheduled = false

  function end(id: string): void {
    for (const stream of open.get(id) ?? []) stream.end()
    open.delete(id)
  }

  /** One question for each session, whatever it has open. */
  async function checkSession(id: string): Promise<void> {
    const [first] = open.get(id) ?? []
    if (!first) return
    try {
      const { record } = await sessions.read(first.sessionRequest, false)
      if (record?.id !== id || record.sub !== first.sub) end(id)
    } catch {}
  }

  async function checkAll(): Promise<void> {
    for (const id of [...open.keys()]) await checkSession(id)
    scheduled = false
    scheduleCheck()
  }

  function scheduleCheck(): void {
    if (scheduled || !open.size) return
    scheduled = true
    setTimeout(() => void checkAll(), CHECK_INTERVAL)
  }

  return {
    /** Until the session has ended, or is another person's. */
    follow(request: PlainRequest, { record: { id, sub } }: PresentSession): StreamLifetime {
      const ended = new AbortController()
      const cookie = request.headers.get('cookie')
      const entry: OpenStream = {
        sessionRequest: {
          method: 'GET',
          url: request.url,
          headers: { get: (name) => (name === 'cookie' ? cookie : null) },
          body: null,
          arrayBuffer: async () => new ArrayBuffer(0),
        },
        sub,
        end: () => ended.abort(),
      }
      const entries = open.get(id) ?? new Set()
      open.set(id, entries.add(entry))
      scheduleCheck()
      return {
        signal: ended.signal,
        over() {
          entries.delete(entry)
          if (!entries.size && open.get(id) === entries) open.delete(id)
        },
      }
    },

    /** A session has ended in this process. */
    onEvent(event: BffEvent): void {
      if (event.type !== 'signed_out') return
      for (const id of open.keys()) if (shortId(id) === event.session) void checkSession(id)
    },

    /** Ends them all. */
    close(): void {
      for (const id of [...open.keys()]) end(id)
    },
  }
}
