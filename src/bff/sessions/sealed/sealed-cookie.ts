import { sha256 } from '../../../crypto/hash.js'
import { cookieValues } from '../../../protocol/http/cookies.js'
import { Refusal } from '../../errors.js'
import type { Emit } from '../../events.js'
import type { CookieJar } from '../../http/cookies.js'
import { type CookieKeys, parseOnce } from '../../sealing/cookie-keys.js'
import type { SessionRecord } from '../session-record.js'

/** Characters of one cookie's value. With name and attributes a browser's limit of 4,096 is kept. */
const PART = 3500
/** Bytes of plaintext that seal to at most that. */
const PLAIN = 2450

/**
 * One part of a sealed session: which, of how many, of which generation, and the digest of the whole, which begins with the
 * session's id. So no part fits to another session's, or to another state of its own. Written `1/2/7/<digest>/…`: JSON in
 * JSON would grow.
 */
interface Part {
  part: number
  of: number
  generation: number
  whole: string
  text: string
  /** Where this part is the only one. */
  record?: SessionRecord
}

function readPart(plaintext: string): Part {
  const [part, of, generation, whole = ''] = plaintext.split('/', 4)
  const text = plaintext.slice(`${part}/${of}/${generation}/${whole}/`.length)
  const read = { part: Number(part), of: Number(of), generation: Number(generation), whole, text }
  return read.of === 1 ? { ...read, record: JSON.parse(text) as SessionRecord } : read
}

/** Splits where a part is full, never within a character. */
function split(text: string): string[] {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(PLAIN))
  return read === text.length ? [text] : [text.slice(0, read), text.slice(read)]
}

/** What was found in the cookies of a request. */
export type Found =
  | { record: SessionRecord; stale: boolean; later?: undefined }
  /** `later`: a later release sealed it. */
  | { record?: undefined; present: boolean; later?: boolean }

/** A session record in one cookie, or at most two, sealed. */
export function createSealedCookie(jar: CookieJar, keyring: CookieKeys, emit: Emit) {
  async function openPart(
    header: string | null,
    name: string,
  ): Promise<{ part: Part; stale: boolean } | 'none' | 'bad' | 'later'> {
    const values = cookieValues(header, name)
    const [value] = values
    if (value === undefined) return 'none'
    if (values.length > 1) {
      // Somebody else can set cookies for this host: neither is believed.
      emit({ type: 'cookie_refused', detail: 'duplicate' })
      return 'bad'
    }
    const opened = await keyring.open('session', value)
    if (opened) return { part: parseOnce(opened, () => readPart(opened.plaintext)), stale: opened.stale }
    const release = keyring.release(value)
    if (release === 'later') return release
    // 0.1.0's are over, and nobody did anything wrong.
    if (release !== 'earlier') emit({ type: 'cookie_refused', detail: 'unreadable' })
    return 'bad'
  }

  return {
    /** Opens the session in a `Cookie` header. A gap, a leftover or a mix of parts is no session. */
    async open(header: string | null): Promise<Found> {
      const first = await openPart(header, jar.session)
      const alone = cookieValues(header, jar.part).length === 0
      if (first === 'none') return { present: !alone }
      if (first === 'later') return { present: true, later: true }
      if (first === 'bad') return { present: true }
      const { of, generation, whole, part, record } = first.part
      if (part !== 1) return { present: true }
      if (record && alone) return { record, stale: first.stale }
      const second = of === 2 ? await openPart(header, jar.part) : 'bad'
      const fits =
        second instanceof Object &&
        second.part.part === 2 &&
        second.part.of === of &&
        second.part.generation === generation &&
        second.part.whole === whole
      if (!fits) {
        emit({ type: 'cookie_refused', detail: 'parts' })
        return { present: true }
      }
      return {
        record: JSON.parse(first.part.text + second.part.text) as SessionRecord,
        stale: first.stale || second.stale,
      }
    },

    /**
     * The cookies of a record; a second part that is not needed any more is expired in the same answer.
     *
     * @throws Refusal `session_too_large`, naming the largest member
     */
    async seal(record: SessionRecord, maxAge: number): Promise<string[]> {
      const text = JSON.stringify(record)
      const { generation } = record
      const texts = split(text)
      const whole = await sha256(text)
      const sealed = await Promise.all(
        texts.map((piece, at) => keyring.seal('session', `${at + 1}/${texts.length}/${generation}/${whole}/${piece}`)),
      )
      if (sealed.some((value) => value.length > PART)) throw tooLarge(record)
      const [first = '', second] = sealed
      return [
        jar.set(jar.session, first, maxAge),
        second === undefined ? jar.expire(jar.part) : jar.set(jar.part, second, maxAge),
      ]
    },
  }
}

function tooLarge({ claims, refresh_token, scope }: SessionRecord): Refusal {
  const members = { ...claims, refresh_token, scope }
  const sizes = Object.entries(members).map(([name, value]) => [name, JSON.stringify(value ?? '').length] as const)
  const [name, size] = sizes.reduce((largest, entry) => (entry[1] > largest[1] ? entry : largest))
  return new Refusal('session_too_large', {
    description: `The session does not fit into two cookies of 3.5 kB. Its largest part is "${name}" with ${size} characters; leave it out of "claims", or ask the provider for less.`,
  })
}
