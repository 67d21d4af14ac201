import type { AnyCheck } from '../../src/protocol/shape.js'

/** A function, and what its arguments are declared to be. */
export interface Subject {
  /** `keys.rotate`: what messages begin with. */
  who: string
  parameters: readonly (readonly [name: string, check: AnyCheck])[]
  run(...args: unknown[]): unknown
}

/** A place in the arguments: `options.watch.burst`. */
export interface Spot {
  path: readonly string[]
  check: AnyCheck
}

/** Has whatever function somebody looks for. */
const having = new Proxy(
  {},
  { get: (_, name) => (typeof name === 'symbol' || name === 'then' ? undefined : () => undefined) },
)
const principal = { method: 'agent_token', sub: 'alice', scopes: [], claims: {} }
const digest = 'A'.repeat(43)
const candidates: readonly unknown[] = [
  'sample',
  1,
  true,
  () => undefined,
  {},
  principal,
  new Request('https://api.example.com/'),
  { sub: 'alice' },
  { id: 'a', tenant: 'a', lineage: 'a' },
  { publicJwk: {} },
  { type: 'a' },
  { status: 500 },
  digest,
  'tenant:acme',
  '["a","a","a"]',
  'https://api.example.com/',
  new Uint8Array(1),
  new AbortController().signal,
  having,
  [],
]

/** Something that fits, with all members that there are. */
export function sampleOf(check: AnyCheck): unknown {
  const { members, each } = check
  if (members)
    return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, sampleOf(member)] as const))
  if (each) {
    const made = [[sampleOf(each)], { sample: sampleOf(each) }].find((one) => !check.flaw(one))
    if (made) return made
  }
  // One of a closed list is named by its words.
  const [, listed] = /^"([^"]+)"/.exec(check.expected) ?? []
  const found = [...candidates, listed].find((one) => !check.flaw(one))
  if (found === undefined && !check.optional) throw new Error(`nothing fits ${check.expected}`)
  return found
}

export const samplesOf = ({ parameters }: Subject): unknown[] => parameters.map(([, check]) => sampleOf(check))

/** Every place that can be wrong. */
export function spotsOf({ parameters }: Subject): Spot[] {
  const within = (check: AnyCheck, path: readonly string[], value: unknown): Spot[] => [
    { path, check },
    ...Object.entries(check.members ?? {}).flatMap(([name, member]) =>
      within(member, [...path, name], (value as Record<string, unknown>)[name]),
    ),
    ...(check.each
      ? Object.entries((value ?? {}) as object)
          .slice(0, 1)
          .flatMap(([name, item]) => within(check.each as AnyCheck, [...path, name], item))
      : []),
  ]
  return parameters.flatMap(([, check], at) => within(check, [`${at}`], sampleOf(check)))
}

/** The arguments with another value at one place. */
export function replaced(
  args: readonly unknown[],
  path: readonly string[],
  change: (was: unknown) => unknown,
): unknown[] {
  const into = (value: unknown, [name, ...rest]: readonly string[]): unknown => {
    if (name === undefined) return change(value)
    const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>
    copy[name] = into(copy[name], rest)
    return copy
  }
  return into(args, path) as unknown[]
}

/** What a place is called in a message: without the argument, unless it is the argument. */
export const nameOf = ({ parameters }: Subject, [at, first]: readonly string[]): string =>
  first ?? parameters[Number(at)]?.[0] ?? ''

/** What is no value of any option, each for its own reason. */
export const wrongs: readonly unknown[] = [
  null,
  '',
  '5',
  'text',
  '\ud800',
  'a\nb',
  'x'.repeat(300),
  0,
  -1,
  1.5,
  5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 60,
  true,
  5n,
  [],
  [null],
  {},
  () => undefined,
  Symbol('wrong'),
  undefined,
]

/** A letter dropped, doubled, swapped with the next one, or in the other case. */
export function misspelt(name: string, how: number, where: number): string {
  const at = where % name.length
  const letter = name.charAt(at)
  const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
  const [before, after] = [name.slice(0, at), name.slice(at + 1)]
  return [
    before + after,
    before + letter + letter + after,
    before + after.charAt(0) + letter + after.slice(1),
    before + other + after,
  ][how % 4] as string
}
