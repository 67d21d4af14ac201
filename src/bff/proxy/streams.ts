import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { StreamLifetime } from '../../protocol/http/upstream.js'
import type { BffContext } from '../context.js'
import { type BffEvent, shortId } from '../events.js'
import type { PresentSession, Sessions } from '../sessions/sessions.js'

/** Milliseconds between two checks of the sessions of open streams: another process may have ended them. */
const CHECK_INTERVAL = 5000

/** An event stream or a WebSocket. */
interface OpenStream {
  readonly sessionRequest: PlainRequest
  readonly sub: string
  end(): void
}

type Streams = ReturnType<typeof createStreams>

/** What the proxy needs. */
export interface ProxyContext extends BffContext {
  streams: Streams
}

/**
 * Open event streams and WebSockets, by session. They end with the session: at once if it ends in this process, otherwise within
 * seconds. An open stream does not count as use. If the store is down, streams stay open.
 */
export function createStreams(sessions: Pick<Sessions, 'read'>) {
  const open = new Map<string, Set<OpenStream>>()
  let scheduled = false

  function end(id: string): void {
    for (const stream of open.get(id) ?? []) stream.end()
    open.delete(id)
  }

  /** One check for all streams of a session. */
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
    /** Registers a stream. It ends when the session ends or belongs to another user. */
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

    /** Ends streams at once when a session ends in this process. */
    onEvent(event: BffEvent): void {
      if (event.type !== 'signed_out') return
      for (const id of open.keys()) if (shortId(id) === event.session) void checkSession(id)
    },

    /** Ends all streams. */
    close(): void {
      for (const id of [...open.keys()]) end(id)
    },
  }
}
