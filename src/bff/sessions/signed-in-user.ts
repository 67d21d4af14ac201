import { sha256 } from '../../crypto/hash.js'
import type { MaybePromise } from '../../crypto/primitives.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { Refusal } from '../errors.js'
import type { SessionRecord } from './session-record.js'
import type { PresentSession, Sessions } from './sessions.js'

type User = Pick<SessionRecord, 'iss' | 'sub'>

/** A cache: computing a digest takes a tenth of the time of a session check. */
const digests = new WeakMap<User, string>()

/** Identifies a user (issuer and subject). It is not a secret. */
export const userDigest = (user: User): MaybePromise<string> => digests.get(user) ?? digestOf(user)

async function digestOf(user: User): Promise<string> {
  const digest = await sha256(JSON.stringify([user.iss, user.sub]))
  digests.set(user, digest)
  return digest
}

/**
 * Refuses the request of a page that still shows another user: somebody else has signed in since the page was loaded. The page
 * sends the user that it shows in the header `Sallyport-User`. Without that header, nothing is checked.
 *
 * @throws Refusal `user_changed`
 */
export async function requireUser({ headers }: Pick<PlainRequest, 'headers'>, user: User): Promise<void> {
  const expected = headers.get('sallyport-user')
  if (expected !== null && expected !== (await userDigest(user))) throw new Refusal('user_changed')
}

/** The session of a request that acts as the signed-in user. @throws Refusal `session_expired`, `user_changed` */
export async function signedInUser(
  request: PlainRequest,
  sessions: Pick<Sessions, 'read'>,
  touch = true,
): Promise<PresentSession> {
  const session = await sessions.read(request, touch)
  // The cookie stays: the page calls /session next, which needs it to say why the session ended.
  if (!session.record) throw new Refusal('session_expired', { reason: session.reason })
  await requireUser(request, session.record)
  return session
}
