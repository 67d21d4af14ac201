import { sha256 } from '../../crypto/hash.js'
import type { MaybePromise } from '../../crypto/primitives.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { Refusal } from '../errors.js'
import type { SessionRecord } from './session-record.js'
import type { PresentSession, Sessions } from './sessions.js'

type Person = Pick<SessionRecord, 'iss' | 'sub'>

/** What is computed once for each record that is remembered: a digest is a tenth of a whole session check. */
const known = new WeakMap<Person, string>()

/** One person as one name: no two pairs of issuer and subject have the same. It is no secret, and opens nothing. */
export const userDigest = (person: Person): MaybePromise<string> => known.get(person) ?? digestOf(person)

async function digestOf(person: Person): Promise<string> {
  const digest = await sha256(JSON.stringify([person.iss, person.sub]))
  known.set(person, digest)
  return digest
}

/**
 * Refuses a call that a page makes for somebody else than who is signed in: it was open when that changed, and what it asks is
 * the other's wish. A caller that does not say whom it believes to be here is not asked.
 *
 * @throws Refusal `user_changed`
 */
export async function requireUser({ headers }: Pick<PlainRequest, 'headers'>, person: Person): Promise<void> {
  const believed = headers.get('sallyport-user')
  if (believed !== null && believed !== (await userDigest(person))) throw new Refusal('user_changed')
}

/** Who is here, for a call that acts as them. @throws Refusal `session_expired`, `user_changed` */
export async function signedInUser(
  request: PlainRequest,
  sessions: Pick<Sessions, 'read'>,
  touch = true,
): Promise<PresentSession> {
  const present = await sessions.read(request, touch)
  // The cookie stays: the page asks /session next, and is told there why.
  if (!present.record) throw new Refusal('session_expired', { reason: present.reason })
  await requireUser(request, present.record)
  return present
}
