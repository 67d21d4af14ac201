import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import type { BffContext } from '../context.js'
import { Refusal } from '../errors.js'
import { json } from '../http/answers.js'
import { type CookieKeys, openJson } from '../sealing/cookie-keys.js'
import type { PresentSession, SessionList } from '../sessions/sessions.js'
import { signedInUser } from '../sessions/signed-in-user.js'
import { subjectKey } from '../sessions/stored/sign-out-stamps.js'

/** A cursor of the store, bound to a user. Do not rename members: other releases read it. */
interface Cursor {
  of: string
  cursor: string
}

/** Lists and ends the sessions of the signed-in user. */
export function createDevices({ sessions }: BffContext, sessionList: SessionList, cookieKeys: CookieKeys) {
  /** A cursor is sealed, and valid for the list of this user only. */
  async function sealCursor(cursor: string | undefined, { record }: PresentSession): Promise<string | undefined> {
    if (cursor === undefined) return undefined
    const content: Cursor = { of: await subjectKey(record.iss, record.sub), cursor }
    return cookieKeys.seal('cursor', JSON.stringify(content))
  }

  /** @throws Refusal `invalid_request` */
  async function openCursor([text, ...more]: string[], { record }: PresentSession): Promise<string | undefined> {
    if (text === undefined) return undefined
    const content = more.length ? undefined : await openJson<Cursor>(cookieKeys, 'cursor', text)
    if (content?.of === (await subjectKey(record.iss, record.sub))) return content.cursor
    throw new Refusal('invalid_request', { description: 'The cursor does not belong to this list.' })
  }

  return {
    /** `GET /sessions?cursor=`: active sessions, the last used first. */
    async list(request: PlainRequest): Promise<PlainResponse> {
      const cursors = new URL(request.url).searchParams.getAll('cursor')
      const session = await signedInUser(request, sessions)
      const { items, cursor } = await sessionList.list(session, await openCursor(cursors, session))
      // Pages of 0.2.0 read `sessions`.
      return json(
        { items, sessions: items, cursor: await sealCursor(cursor, session) },
        await sessions.cookies(session),
      )
    },

    /** `DELETE /sessions/:id`: 404 for a session of another user. */
    async end(request: PlainRequest): Promise<PlainResponse> {
      const session = await signedInUser(request, sessions)
      const id = new URL(request.url).pathname.split('/').at(-1) ?? ''
      const ended = /^[\w-]{43}$/.test(id) ? await sessionList.end(session, id) : undefined
      if (!ended) throw new Refusal('not_found', { description: 'Session not found.' })
      const cookies = ended === 'current' ? sessions.clear(request) : await sessions.cookies(session)
      return json({}, cookies)
    },
  }
}
