import { type AnyCheck, type Declared, type Flaw, valueFlaw } from './shape.js'

/** An argument: its name in messages, and what it must be. Members of an object are named without it. */
type Argument<Of> = readonly [name: string, check: AnyCheck & { of?(value: Of): unknown }]

type AnyArgument = readonly [name: string, check: AnyCheck]

/** The parameters of a function. `async`: it returns a promise, so invalid arguments reject; otherwise it throws. */
export interface Call<Arguments extends readonly unknown[] = readonly AnyArgument[], Promised = boolean> {
  readonly parameters: Arguments
  readonly async: Promised
}

/** One declaration for each function of an object: without one it does not compile. */
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

/** A synchronous function. */
export const call = <const Takes extends readonly AnyArgument[]>(...parameters: Takes): Call<Takes, false> => ({
  parameters,
  async: false,
})

/** A function that returns a promise. */
export const asyncCall = <const Takes extends readonly AnyArgument[]>(...parameters: Takes): Call<Takes, true> => ({
  parameters,
  async: true,
})

/** @throws TypeError that names the function, the path of the option, and what is expected */
export function validate(who: string, what: AnyCheck, value: unknown, name = 'options'): void {
  const flaw = valueFlaw(what, value)
  if (flaw) throw misuse(who, name, flaw)
}

const misuse = (who: string, name: string, { at, remedy }: Flaw) =>
  new TypeError(`${who}: "${at === '' ? name : at}" ${remedy}`)

/** The same functions, each of which validates its arguments first: invalid arguments have no effect. */
export function validated<Methods extends object>(
  who: string,
  methods: Methods,
  calls: Calls<NoInfer<Methods>>,
): Methods {
  // Keeps getters.
  const looked = Object.defineProperties({}, Object.getOwnPropertyDescriptors(methods)) as Record<string, unknown>
  for (const [name, { parameters, async: rejects }] of Object.entries(calls as unknown as Record<string, Call>)) {
    const method = looked[name] as ((...args: unknown[]) => unknown) | undefined
    // Declared for other engines.
    if (!method) continue
    const called = `${who}.${name}`
    looked[name] = (...args: unknown[]) => {
      const error = argumentError(called, parameters, args)
      if (!error) return method(...args)
      if (rejects) return Promise.reject(error)
      throw error
    }
  }
  return looked as Methods
}

/**
 * For a function that is called too often to be wrapped: it validates its own arguments first.
 *
 * @throws TypeError like {@link validate}
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
