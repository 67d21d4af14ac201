import { Hono } from 'hono'
import type { Guard, Principal } from 'sallyport/guard'

export interface Note {
  id: string
  text: string
  /** Epoch seconds. */
  at: number
}

export interface NotesSettings {
  /** Accepts users’ pages with a token, and their programs with a key. */
  protect: Guard
  /** The maximum age of a sign-in for irreversible actions. Seconds. */
  freshness: number
}

const most = { notes: 200, characters: 500 }

/** The notes API: a separate resource server that depends on the issuer, not on the backend. */
export function createNotesApi({ protect, freshness }: NotesSettings) {
  const notes = new Map<string, Note[]>()
  let refusedBefore = 0

  const notesOf = (sub: string): Note[] => {
    const own = notes.get(sub) ?? welcome()
    notes.set(sub, own)
    return own
  }
  const of = ({ sub }: Principal): Note[] => notesOf(sub)

  function write(sub: string, text: string): Note {
    const note = { id: crypto.randomUUID(), text, at: Math.floor(Date.now() / 1000) }
    notesOf(sub).unshift(note)
    return note
  }

  /** For the panel's "Expire the token": the API refuses tokens issued before this time. */
  const refuse = ({ claims }: Principal): Response | undefined =>
    Number(claims['iat']) < refusedBefore
      ? Response.json(
          { error: 'invalid_token' },
          { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"', 'Cache-Control': 'no-store' } },
        )
      : undefined

  const read = protect.handler({ scopes: ['notes:read'] }, (_, principal) => refuse(principal) ?? json(of(principal)))

  const add = protect.handler({ scopes: ['notes:write'] }, async (request, principal) => {
    const refused = refuse(principal)
    if (refused) return refused
    const body: { text?: unknown } = await request.json().catch(() => ({}))
    const text = typeof body.text === 'string' ? body.text.trim() : ''
    if (!text || text.length > most.characters) return json({ error: 'A note has 1 to 500 characters.' }, 400)
    if (of(principal).length >= most.notes)
      return json({ error: 'You have reached the maximum number of notes. Delete one first.' }, 409)
    return json(write(principal.sub, text), 201)
  })

  // A program cannot sign in again, so this is for users only.
  const removeAll = protect.handler({ scopes: ['notes:write'], methods: ['access_token'] }, (_, principal) => {
    const age = Date.now() / 1000 - Number(principal.claims['auth_time'] ?? 0)
    if (age > freshness)
      return Response.json(
        { error: 'insufficient_user_authentication' },
        {
          status: 401,
          headers: {
            'WWW-Authenticate': `Bearer error="insufficient_user_authentication", max_age="${freshness}"`,
            'Cache-Control': 'no-store',
          },
        },
      )
    notes.set(principal.sub, [])
    return new Response(null, { status: 204 })
  })

  const remove = (id: string) =>
    protect.handler({ scopes: ['notes:write'] }, (_, principal) => {
      const refused = refuse(principal)
      if (refused) return refused
      const own = of(principal)
      const left = own.filter((note) => note.id !== id)
      if (left.length === own.length) return json({ error: 'This note does not exist any more.' }, 404)
      notes.set(principal.sub, left)
      return new Response(null, { status: 204 })
    })

  const app = new Hono()
    .get('/api/notes', ({ req }) => read(req.raw))
    .post('/api/notes', ({ req }) => add(req.raw))
    .delete('/api/notes', ({ req }) => removeAll(req.raw))
    .delete('/api/notes/:id', ({ req }) => remove(req.param('id'))(req.raw))
    .notFound(() => json({ error: 'not_found' }, 404))
    .onError(() => json({ error: 'server_error' }, 500))

  return {
    fetch: (request: Request) => app.fetch(request),
    /** The notes, for code that has its own access checks: the tools of agents. */
    store: { of: notesOf, add: write, clear: (sub: string) => void notes.set(sub, []) },
    /**
     * From now on, tokens issued before this second get a 401. Tokens of this second are still accepted: a token's `iat` has
     * no fraction, and such a new token could not be renewed anyway.
     */
    refuseEarlierTokens() {
      refusedBefore = Math.floor(Date.now() / 1000)
    },
  }
}

const json = (body: unknown, status = 200) =>
  Response.json(body, { status, headers: { 'Cache-Control': 'no-store, private' } })

const welcome = (): Note[] => [
  {
    id: crypto.randomUUID(),
    text: 'Every note here comes from an API that checks an access token at every call.',
    at: Math.floor(Date.now() / 1000),
  },
]
