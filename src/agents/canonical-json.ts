import { sha256 } from '../crypto/hash.js'
import { agentError } from './errors.js'

/** Maximum characters. */
const MAX_LENGTH = 65_536
/** Maximum levels of objects and arrays. */
const MAX_DEPTH = 64

/**
 * Writes plain data as canonical JSON: one text for one value, in any order of members.
 *
 * Values that could be read differently elsewhere are refused: NaN and infinities, `undefined`, functions, bigint, symbols,
 * getters, anything with a class, gaps in arrays, lone surrogates, cycles, a member called `__proto__`, more than 64 levels,
 * more than `limit` characters (65,536 by default).
 *
 * Texts are not normalized: two spellings of é are two texts.
 *
 * @throws TypeError saying what was found
 * @see RFC 8785 section 3
 */
export function canonical(value: unknown, limit = MAX_LENGTH): string {
  const ancestors = new Set<unknown>()
  let text = ''

  function add(part: string): void {
    text += part
    if (text.length > limit) throw notPlain(`more than ${limit} characters`)
  }

  /** The members are written by `write`, with commas between them. */
  function writeMembers<Member>(
    value: object,
    brackets: string,
    members: readonly Member[],
    write: (m: Member) => void,
  ) {
    if (ancestors.has(value)) throw notPlain('a cycle')
    if (ancestors.size >= MAX_DEPTH) throw notPlain(`more than ${MAX_DEPTH} levels`)
    ancestors.add(value)
    for (const [index, member] of members.entries()) {
      add(index ? ',' : brackets.charAt(0))
      write(member)
    }
    add(members.length ? brackets.charAt(1) : brackets)
    ancestors.delete(value)
  }

  function write(value: unknown): void {
    if (value === null || typeof value === 'boolean') add(`${value}`)
    else if (typeof value === 'string') add(quoted(value, limit))
    // The shortest form that reads back as the same number, as ECMAScript writes it: RFC 8785 section 3.2.2.3.
    else if (typeof value === 'number' && Number.isFinite(value)) add(JSON.stringify(value))
    else if (Array.isArray(value)) writeMembers(value, '[]', indexesOf(value), (index) => write(ownValue(value, index)))
    else if (isPlain(value))
      writeMembers(value, '{}', namesOf(value), (name) => {
        add(`${quoted(name, limit)}:`)
        write(ownValue(value, name))
      })
    else throw notPlain(typeof value === 'number' ? `${value}` : `a value of type ${typeof value}`)
  }

  write(value)
  return text
}

/** SHA-256 of the canonical form, base64url. @throws TypeError as {@link canonical} does */
export const digestOf = async (value: unknown): Promise<string> => sha256(canonical(value))

/**
 * Reads the arguments of a tool call from the JSON that a model has written. A name that stands twice in one object is refused:
 * of two readers one would see the first value and one the last, and a person might have approved the other.
 *
 * @throws SallyportError `call_invalid`
 * @see RFC 8259 section 4
 */
export function parseArguments(text: string): unknown {
  try {
    if (text.length > MAX_LENGTH) throw notPlain(`more than ${MAX_LENGTH} characters`)
    const value: unknown = JSON.parse(text)
    if (repeatsName(text)) throw notPlain('a name that stands twice')
    canonical(value)
    return value
  } catch (error) {
    throw agentError('call_invalid', error)
  }
}

/** For valid JSON: looks only at braces, and at strings before a colon. */
function repeatsName(text: string): boolean {
  const names: Set<string>[] = []
  for (const [token, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}]/g)) {
    if (token === '{') names.push(new Set())
    else if (token === '}') names.pop()
    else if (colon !== undefined) {
      const name: string = JSON.parse(token.slice(0, -colon.length))
      if (names.at(-1)?.has(name)) return true
      names.at(-1)?.add(name)
    }
  }
  return false
}

const notPlain = (found: string) => new TypeError(`canonical: ${found} has no place in plain data`)

function quoted(text: string, limit: number): string {
  if (text.length > limit) throw notPlain(`more than ${limit} characters`)
  // With the u flag a pair is one character, so only half of one matches.
  if (/\p{Surrogate}/u.test(text)) throw notPlain('half of a surrogate pair')
  return JSON.stringify(text)
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function indexesOf(value: readonly unknown[]): number[] {
  // Beside its elements an array has `length` and nothing else.
  if (Object.getPrototypeOf(value) !== Array.prototype || Reflect.ownKeys(value).length !== value.length + 1)
    throw notPlain('an array with gaps or members of its own')
  return [...value.keys()]
}

/** In the order of their UTF-16 code units, which is how `sort` compares. @see RFC 8785 section 3.2.3 */
function namesOf(value: object): string[] {
  const names = Reflect.ownKeys(value).map((name) => {
    if (typeof name === 'symbol') throw notPlain('a symbol')
    return name
  })
  // A copy of such an object would get another prototype.
  if (names.includes('__proto__')) throw notPlain('a member called __proto__')
  return names.sort()
}

/** A getter could return one value for the approval and another for the call. */
function ownValue(value: object, name: string | number): unknown {
  const property = Object.getOwnPropertyDescriptor(value, name)
  if (!property?.enumerable || !('value' in property)) throw notPlain('a getter or hidden member')
  return property.value
}
