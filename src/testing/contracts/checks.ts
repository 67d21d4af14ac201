import { SallyportError } from '../../protocol/error.js'

export interface StoreContractCase {
  /** What the case checks, as a sentence. */
  name: string
  /** Rejects if the check fails. */
  run(): Promise<void>
}

export interface StoreContractOptions {
  /**
   * Lets seconds pass for the store. Default: waits. If the store uses your clock, pass a function that advances it.
   */
  wait?(seconds: number): Promise<void> | void
  /** Sets the clock of the engine back. If present, cases about clocks that go back are included. */
  turnBack?(seconds: number): Promise<void> | void
}

export const sleep = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000))

const errorOf = (call: () => Promise<unknown>): Promise<unknown> =>
  call().then(
    () => undefined,
    (reason: unknown) => reason,
  )

/** Rejects with a SallyportError of this code. */
export async function refuses(code: string, call: () => Promise<unknown>): Promise<void> {
  const error = await errorOf(call)
  if (!(error instanceof SallyportError) || error.code !== code) throw new Error(`${code} was expected, not ${error}`)
}

/** Rejects with a TypeError. */
export async function rejects(call: () => Promise<unknown>): Promise<void> {
  const error = await errorOf(call)
  if (!(error instanceof TypeError)) throw new Error(`a TypeError was expected, not ${error}`)
}

/** Members in any order: stored objects are created again. */
export function same(actual: unknown, expected: unknown): void {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, one) => (isPlain(one) ? Object.fromEntries(Object.entries(one).sort()) : one))
  if (text(actual) !== text(expected)) throw new Error(`expected ${text(expected)}, got ${text(actual)}`)
}

const isPlain = (value: unknown): value is object => value instanceof Object && !Array.isArray(value)
