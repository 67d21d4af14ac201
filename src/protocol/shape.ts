import { isName, isSubject, nameRule, nearestName, subjectRule } from './names.js'

/** A fault. `at`: where it is, for example `routes.notes.timeout`; '' for the value itself. */
export interface Flaw {
  readonly at: string
  /** The fault and the remedy: `must be a number of seconds, 1 at least; got text "5"`. */
  readonly remedy: string
}

/** What a value must be. */
export interface AnyCheck {
  /** A description of valid values, to follow "must be". */
  readonly expected: string
  readonly flaw: (value: unknown) => Flaw | undefined
  /** The members of an object, by name. */
  readonly members?: Readonly<Record<string, AnyCheck>>
  /** The check of the members of a list or a table. */
  readonly each?: AnyCheck
  readonly optional?: boolean
  /** Other members are allowed. */
  readonly open?: boolean
}

/** The same, tied to a type: the declaration and its type cannot differ. */
export interface Check<Of> extends AnyCheck {
  readonly of?: (value: Of) => Of
}

export interface Optional<Of> extends Check<Of> {
  readonly optional: true
}

/** Stands for every function: its parameters and result cannot be checked. */
export interface Callable {
  readonly call: unknown
}

/** The type that a declaration describes. */
export type Declared<Type> = Type extends (...args: never[]) => unknown
  ? Callable
  : Type extends readonly (infer Item)[]
    ? readonly Declared<Item>[]
    : Type extends object
      ? string extends keyof Type
        ? Readonly<Record<string, Declared<Exclude<Type[string & keyof Type], undefined>>>>
        : Type
      : Type

type Keys<Options> = Options extends unknown ? keyof Options : never
type Member<Options, Key extends PropertyKey> = Options extends unknown
  ? Key extends keyof Options
    ? Options[Key]
    : undefined
  : never

/** One check for each member of a type, no more and no fewer; `optional` if the type says so. */
export type Shape<Options> = {
  readonly [Key in Keys<Options>]-?: undefined extends Member<Options, Key>
    ? Optional<Declared<Exclude<Member<Options, Key>, undefined>>>
    : Check<Declared<Member<Options, Key>>>
}

/** A custom check. `shown`: whether a message may quote the value. */
export function check<Of>(expected: string, fits: (value: unknown) => boolean, shown?: 'shown'): Check<Of> {
  return {
    expected,
    flaw: (value) =>
      fits(value) ? undefined : { at: '', remedy: `must be ${expected}; got ${describeValue(value, shown)}` },
  }
}

/**
 * Describes the value. A text is only quoted where a number is expected: any other text may be a secret in the wrong
 * place.
 */
function describeValue(value: unknown, shown?: 'shown'): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (value === '') return 'an empty text'
  if (typeof value === 'string') return shown && /^[-+\d.e]{1,20}$/i.test(value) ? `text "${value}"` : 'text'
  if (shown && typeof value === 'number') return `${value}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

export const optional = <Of>(inner: Check<Of>): Optional<Of> => ({
  ...inner,
  optional: true,
  flaw: (value) => (value === undefined ? undefined : inner.flaw(value)),
})

/** The same check with another description. */
export const described = <Of>(expected: string, { flaw, ...rest }: Check<Of>): Check<Of> => ({
  ...rest,
  expected,
  flaw(value) {
    const found = flaw(value)
    return found && found.at === '' && found.remedy.startsWith('must be ')
      ? { at: '', remedy: `must be ${expected}${found.remedy.slice(found.remedy.lastIndexOf('; got '))}` }
      : found
  },
})

const anyValue: AnyCheck = { expected: 'anything', flaw: () => undefined, optional: true }
/** Anything: a value from outside that is answered with an error response, or one that is validated elsewhere. */
export const anything = <Of>(): Optional<Of> => anyValue as Optional<Of>

export const text = check<string>('a text', (value) => typeof value === 'string' && value !== '')
/** Also ''. */
export const anyText = check<string>('a text', (value) => typeof value === 'string')
export const name = check<string>(nameRule, isName)
export const subject = check<string>(subjectRule, isSubject)
export const bool = check<boolean>('true or false', (value) => typeof value === 'boolean')
export const func = check<Callable>('a function', (value) => typeof value === 'function')
export const bytes = check<Uint8Array>('bytes, a Uint8Array', (value) => value instanceof Uint8Array)

/** The secret itself, or a function that returns it. Its strength is checked elsewhere. */
export const secret = check<string | Callable>(
  'a text, or a function that resolves to one',
  (value) => typeof value === 'function' || (typeof value === 'string' && value !== ''),
)

interface Range {
  least?: number
  /** An exclusive minimum. */
  above?: number
  most?: number
}

const inRange = (value: unknown, { least, above, most }: Range): boolean =>
  typeof value === 'number' &&
  Number.isFinite(value) &&
  !(least !== undefined && value < least) &&
  !(above !== undefined && value <= above) &&
  !(most !== undefined && value > most)

const rangeWords = ({ least, above, most }: Range): string =>
  [
    ...(least === undefined ? [] : [`${least} at least`]),
    ...(above === undefined ? [] : [`more than ${above}`]),
    ...(most === undefined ? [] : [`${most} at most`]),
  ].join(' and ')

/** Seconds, or another `unit`; fractions are allowed. */
export const seconds = (range: Range = { above: 0 }, unit = 'a number of seconds'): Check<number> =>
  check(`${unit}, ${rangeWords(range)}`, (value) => inRange(value, range), 'shown')
export const integer = (range: Range = { least: 0 }, unit = 'a whole number'): Check<number> =>
  check(`${unit}, ${rangeWords(range)}`, (value) => Number.isSafeInteger(value) && inRange(value, range), 'shown')
/** A time. A value in milliseconds is refused: it would be in the year 50,000. */
export const epochSeconds = check<number>('epoch seconds', (value) => inRange(value, { least: 0, most: 1e11 }), 'shown')

/** One of a closed list. */
export function oneOf<const Of extends string | boolean>(...known: readonly Of[]): Check<Of> {
  const list = known.map((one) => JSON.stringify(one))
  const expected = list.length > 1 ? `${list.slice(0, -1).join(', ')} or ${list.at(-1)}` : `${list[0]}`
  return check(expected, (value) => known.some((one) => one === value))
}

/** An object with these functions: a store, a ledger, the result of one of our factories. */
export const withMethods = <Of extends object>(
  expected: string,
  ...functions: readonly (keyof Of & string)[]
): Check<Of> => ({
  expected,
  flaw(value) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null)
      return { at: '', remedy: `must be ${expected}; got ${describeValue(value)}` }
    const lacks = functions.find((each) => typeof (value as Record<string, unknown>)[each] !== 'function')
    return lacks === undefined ? undefined : { at: '', remedy: `has no function ${lacks}; it must be ${expected}` }
  },
})

/** A list of members of one kind. */
export const list = <Of>(each: Check<Of>, least = 0): Check<readonly Of[]> => {
  const expected = least ? `a list of ${least} or more, each ${each.expected}` : `a list, each ${each.expected}`
  return {
    expected,
    each,
    flaw(value) {
      if (!Array.isArray(value)) return { at: '', remedy: `must be ${expected}; got ${describeValue(value)}` }
      if (value.length < least) return { at: '', remedy: `must be ${expected}; got an empty list` }
      for (let at = 0; at < value.length; at++) {
        const found = valueFlaw(each, value[at])
        if (found) return atKey(`${at}`, found)
      }
      return undefined
    },
  }
}

/** A table: custom names, each with a value of one kind. */
export const mapOf = <Of>(each: Check<Of>): Check<Readonly<Record<string, Of>>> => {
  const expected = `an object by name, each ${each.expected}`
  return {
    expected,
    each,
    flaw(value) {
      if (!isObject(value)) return { at: '', remedy: `must be ${expected}; got ${describeValue(value)}` }
      for (const key of Object.keys(value)) {
        const found = valueFlaw(each, value[key])
        if (found) return atKey(key, found)
      }
      return undefined
    },
  }
}

/** The first check that passes decides. If none does, the first of the matching kind describes the fault. */
export const either = <One, Two>(one: Check<One>, two: Check<Two>): Check<One | Two> => {
  const expected = `${one.expected}, or ${two.expected}`
  return {
    expected,
    ...(two.members && { members: two.members }),
    ...(two.each && { each: two.each }),
    flaw(value) {
      const [firstFlaw, second] = [one.flaw(value), two.flaw(value)]
      if (!firstFlaw || !second) return undefined
      const inside = [second, firstFlaw].find(
        ({ at, remedy }) => at !== '' || /^has no|got an empty list$/.test(remedy),
      )
      return inside ?? { at: '', remedy: `must be ${expected}; got ${describeValue(value)}` }
    },
  }
}

/**
 * An object with these members and no others: otherwise a misspelt option would be ignored. `open`: other members are
 * allowed, and are validated elsewhere.
 */
export function object<Of>(shape: Shape<Of>, expected = 'an object', open?: 'open'): Check<Of> {
  const members = shape as Readonly<Record<string, AnyCheck>>
  const known = Object.keys(members)
  const names = new Set(known)
  const entries = Object.entries(members)
  return {
    expected,
    members,
    ...(open && { open: true }),
    flaw(value) {
      if (!isObject(value)) return { at: '', remedy: `must be ${expected}; got ${describeValue(value)}` }
      const unknown = open ? undefined : Object.keys(value).find((key) => !names.has(key))
      if (unknown !== undefined) return unknownMember(unknown, known)
      // Runs for every request to a guard: allocates nothing if nothing is wrong.
      for (const [key, member] of entries) {
        const found = value[key] === undefined && member.optional ? undefined : valueFlaw(member, value[key])
        if (found) return atKey(key, found)
      }
      return undefined
    },
  }
}

/** An object, but no list and no function. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function unknownMember(key: string, known: readonly string[]): Flaw {
  const near = nearestName(key, known)
  const remedy = near === undefined ? `there are ${known.join(', ')}` : `did you mean "${near}"?`
  return { at: key.slice(0, 60), remedy: `is not known here; ${remedy}` }
}

/** The fault of a value that may be absent. */
export const valueFlaw = (inner: AnyCheck, value: unknown): Flaw | undefined =>
  value === undefined && !inner.optional ? { at: '', remedy: `is missing: ${inner.expected}` } : inner.flaw(value)

const atKey = (key: string, flaw: Flaw): Flaw => ({ ...flaw, at: flaw.at === '' ? key : `${key}.${flaw.at}` })
