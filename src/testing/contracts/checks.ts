export interface StoreContractCase {
  /** A sentence about what holds. */
  name: string
  /** Rejects if it does not. */
  run(): Promise<void>
}

export interface StoreContractOptions {
  /** Lets seconds pass for the store. Default: waits. Give one that moves the clock where a store follows yours. */
  wait?(seconds: number): Promise<void> | void
  /** Turns the clock of the engine back. Where one is given, the cases about clocks that go back are there, too. */
  turnBack?(seconds: number): Promise<void> | void
}

export const sleep = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000))

/** Rejects with a TypeError. */
export async function rejects(call: () => Promise<unknown>): Promise<void> {
  const error = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof TypeError)) throw new Error(`a TypeError was expected, not ${error}`)
}

/** Members in any order: stored objects are made anew. */
export function same(actual: unknown, expected: unknown): void {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, one) => (isPlain(one) ? Object.fromEntries(Object.entries(one).sort()) : one))
  if (text(actual) !== text(expected)) throw new Error(`expected ${text(expected)}, got ${text(actual)}`)
}

const isPlain = (value: unknown): value is object => value instanceof Object && !Array.isArray(value)
