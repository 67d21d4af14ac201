import type { Answer, Asked } from '../protocol/answer.js'
import { json } from './answers.js'
import { Refusal } from './errors.js'
import type { Parts } from './parts.js'
import type { Directory, Presence } from './sessions.js'

/** The person's own sessions: a list to look at, and an end to each. */
export function createDevices({ sessions }: Parts, directory: Directory) {
  async function present(request: Asked, touch: boolean): Promise<Presence> {
    const found = await sessions.read(request, touch)
    if (found.record) return found
    throw new Refusal('session_expired', { reason: found.reason, cookies: found.cookies })
  }

  return {
    /** `GET /sessions?cursor=`: those that are alive, the last used first. */
    async list(request: Asked): Promise<Answer> {
      const { searchParams } = new URL(request.url)
      const own = await present(request, true)
      const { sessions: found, cursor } = await directory.list(own, searchParams.get('cursor') ?? undefined)
      return json({ sessions: found, cursor }, await sessions.cookies(own))
    },

    /** `DELETE /sessions/:id`. Another person's session is as unknown as one that never was. */
    async end(request: Asked): Promise<Answer> {
      const own = await present(request, true)
      const id = new URL(request.url).pathname.split('/').at(-1) ?? ''
      const ended = /^[\w-]{43}$/.test(id) ? await directory.end(own, id) : undefined
      if (!ended) throw new Refusal('not_found', { description: 'There is no such session.' })
      const cookies = ended === 'current' ? sessions.clear(request) : await sessions.cookies(own)
      return json({}, cookies)
    },
  }
}
