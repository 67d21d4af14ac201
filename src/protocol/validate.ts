import { type AnyCheck, type Declared, type Flaw, valueFlaw } from './shape.js'

/** An argument: the name that it has in messages, and what it must be. Members of one that is an object go without it. */
export type Argument<Of> = readonly [name: string, check: AnyCheck & { of?(value: Of): unknown }]

type AnyArgument = readonly [name: string, check: AnyCheck]

/** What a call takes. `async`: it answers with a promise, so misuse rejects; else it throws. */
export interface Call<Arguments extends readonly unknown[] = readonly AnyArgument[], Promised = boolean> {
  readonly parameters: Arguments
  readonly async: Promised
}

/** One declaration for each function of an object: a function without one does not compile. */
export type Calls<Methods> = {
  readonly [Name in keyof Methods as Methods[Name] extends (...args: never[]) => unknown
    ? Name
    : never]: Methods[Name] extends (...args: infer Taken) => infer Result
    ? Call<Arguments<Required<Taken>>, Result extends Promise<unknown> ? true : false>
    : never
}

type Arguments<Taken extends readonly unknown[]> = {
  readonly [At in keyof Taken]: Argument<Declared<Exclude<Taken[At], undefined>>>
}

/** Of a function that answers at once. */
export const call = <const Takes extends readonly AnyArgument[]>(...parameters: Takes): Call<Takes, false> => ({
  parameters,
  async: false,
})

/** Of a function that answers with a promise. */
export const asyncCall = <const Takes extends readonly AnyArgument[]>(...parameters: Takes): Call<Takes, true> => ({
  parameters,
  async: true,
})

/** @throws TypeError that names the function, the option with its path, and what was meant */
export function validate(who: string, what: AnyCheck, value: unknown, name = 'options'): void {
  const flaw = valueFlaw(what, value)
  if (flaw) throw misuse(who, name, flaw)
}

const misuse = (who: string, name: string, { at, remedy }: Flaw) =>
  new TypeError(`${who}: "${at === '' ? name : at}" ${remedy}`)

/** The same functions, each of which looks at its arguments first: what is misused has done nothing. */
export function validated<Methods extends object>(
  who: string,
  methods: Methods,
  calls: Calls<NoInfer<Methods>>,
): Methods {
  // With its getters.
  const looked = Object.defineProperties({}, Object.getOwnPropertyDescriptors(methods)) as Record<string, unknown>
  for (const [name, { parameters, async: rejects }] of Object.entries(calls as unknown as Record<string, Call>)) {
    const method = looked[name] as (...args: unknown[]) => unknown
    looked[name] = (...args: unknown[]) => {
      const error = argumentError(`${who}.${name}`, parameters, args)
      if (!error) return method(...args)
      if (rejects) return Promise.reject(error)
      throw error
    }
  }
  return looked as Methods
}

/**
 * For a function that is asked too often to be wrapped: it looks at its arguments itself, first.
 *
 * @throws TypeError as of {@link validate}
 */
export function validateArguments(who: string, { parameters }: Call, ...args: readonly unknown[]): void {
  const error = argumentError(who, parameters, args)
  if (error) throw error
}

function argumentError(who: string, parameters: Call['parameters'], args: readonly unknown[]): TypeError | undefined {
  for (let at = 0; at < parameters.length; at++) {
    const [argument, what] = parameters[at] as AnyArgument
    const flaw = valueFlaw(what, args[at])
    if (flaw) return misuse(who, argument, flaw)
  }
  return undefined
}
