/** The promise's result, or `otherwise` if that comes only after so many seconds. */
export const withTimeout = <Result, Otherwise>(
  promise: Promise<Result>,
  seconds: number,
  otherwise: Otherwise,
): Promise<Result | Otherwise> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000, otherwise)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })

/** Seconds that a caller's function may take, unless something else limits it. */
const DEFAULT_TIMEOUT = 5

/**
 * The result of a caller's function, with a timeout. What it throws synchronously is a rejection, too. @throws Error
 * `TimeoutError`
 */
export async function callWithTimeout<Result>(
  work: () => Result | Promise<Result>,
  seconds = DEFAULT_TIMEOUT,
): Promise<Result> {
  const result = await withTimeout((async () => work())(), seconds, timedOut)
  if (result === timedOut)
    throw Object.assign(new Error(`it took more than ${seconds} seconds`), { name: 'TimeoutError' })
  return result as Result
}

export const isTimeoutError = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError'

const timedOut = Symbol('timed out')
