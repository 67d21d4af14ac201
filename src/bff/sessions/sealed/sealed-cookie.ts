import { sha256 } from '../../../crypto/hash.js'
import { cookieValues } from '../../../protocol/http/cookies.js'
import { Refusal } from '../../errors.js'
import type { Emit } from '../../events.js'
import type { CookieJar } from '../../http/cookies.js'
import { type CookieKeys, parseOnce } from '../../sealing/cookie-keys.js'
import type { SessionRecord } from '../session-record.js'

/** Characters of one cookie value. Browsers allow 4,096 with name and attributes. */
const MAX_VALUE = 3500
/** Bytes of plaintext that fit into one sealed value. */
const MAX_PLAINTEXT = 2450

/**
 * One part of a sealed session, written `<part>/<count>/<generation>/<digest>/<text>`, because JSON in JSON would be longer. The
 * digest is that of the whole record, so that parts of different sessions, or of different states of one session, do not match.
 */
interface Part {
  part: number
  count: number
  generation: number
  digest: string
  text: string
  /** If this part is the only one. */
  record?: SessionRecord
}

function readPart(plaintext: string): Part {
  const [part, count, generation, digest = ''] = plaintext.split('/', 4)
  const text = plaintext.slice(`${part}/${count}/${generation}/${digest}/`.length)
  const read = { part: Number(part), count: Number(count), generation: Number(generation), digest, text }
  return read.count === 1 ? { ...read, record: JSON.parse(text) as SessionRecord } : read
}

/** Splits at the limit, never within a character. */
function split(text: string): string[] {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_PLAINTEXT))
  return read === text.length ? [text] : [text.slice(0, read), text.slice(read)]
}

/** The session in the cookies of a request, if there is one. */
type OpenedCookie =
  | { record: SessionRecord; stale: boolean; later?: undefined }
  /** `present`: there is a cookie, but no valid session. `later`: a later release sealed it. */
  | { record?: undefined; present: boolean; later?: boolean }

/** A session record in one cookie, or at most two, sealed. */
export function createSealedCookie(jar: CookieJar, cookieKeys: CookieKeys, emit: Emit) {
  async function openPart(
    header: string | null,
    name: string,
  ): Promise<{ part: Part; stale: boolean } | 'none' | 'bad' | 'later'> {
    const values = cookieValues(header, name)
    const [value] = values
    if (value === undefined) return 'none'
    if (values.length > 1) {
      // Another host can set cookies for this one: neither value is trusted.
      emit({ type: 'cookie_refused', detail: 'duplicate' })
      return 'bad'
    }
    const opened = await cookieKeys.open('session', value)
    if (opened) return { part: parseOnce(opened, () => readPart(opened.plaintext)), stale: opened.stale }
    const release = cookieKeys.release(value)
    if (release === 'later') return release
    // Cookies of 0.1.0 are not read any more, and are no attack.
    if (release !== 'earlier') emit({ type: 'cookie_refused', detail: 'unreadable' })
    return 'bad'
  }

  return {
    /** Opens the session in a `Cookie` header. All parts must be present and match. */
    async open(header: string | null): Promise<OpenedCookie> {
      const first = await openPart(header, jar.session)
      const onlyPart = cookieValues(header, jar.part).length === 0
      if (first === 'none') return { present: !onlyPart }
      if (first === 'later') return { present: true, later: true }
      if (first === 'bad') return { present: true }
      const { count, generation, digest, part, record } = first.part
      if (part !== 1) return { present: true }
      if (record && onlyPart) return { record, stale: first.stale }
      const second = count === 2 ? await openPart(header, jar.part) : 'bad'
      const belongsToFirst =
        second instanceof Object &&
        second.part.part === 2 &&
        second.part.count === count &&
        second.part.generation === generation &&
        second.part.digest === digest
      if (!belongsToFirst) {
        emit({ type: 'cookie_refused', detail: 'parts' })
        return { present: true }
      }
      return {
        record: JSON.parse(first.part.text + second.part.text) as SessionRecord,
        stale: first.stale || second.stale,
      }
    },

    /**
     * The cookies of a record. A second part that is not needed any more is deleted.
     *
     * @throws Refusal `session_too_large`, naming the largest member
     */
    async seal(record: SessionRecord, maxAge: number): Promise<string[]> {
      const text = JSON.stringify(record)
      const { generation } = record
      const texts = split(text)
      const digest = await sha256(text)
      const sealed = await Promise.all(
        texts.map((piece, at) =>
          cookieKeys.seal('session', `${at + 1}/${texts.length}/${generation}/${digest}/${piece}`),
        ),
      )
      if (sealed.some((value) => value.length > MAX_VALUE)) throw tooLarge(record)
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
    description: `The session does not fit into two cookies of 3.5 kB. Its largest part is "${name}" with ${size} characters; remove it from "claims", or request less from the provider.`,
  })
}
