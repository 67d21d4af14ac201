/** What comes first: the promise's result, or `otherwise` after so many seconds. */
export const within = <Result, Otherwise>(
  promise: Promise<Result>,
  seconds: number,
  otherwise: Otherwise,
): Promise<Result | Otherwise> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000, otherwise)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })

/** Seconds that a function of the caller's may take, where nothing else says how long. */
export const PATIENCE = 5

/** What a caller's function comes to, in time. Also what it throws at once is a rejection. @throws Error `TimeoutError` */
export async function inTime<Result>(work: () => Result | Promise<Result>, seconds = PATIENCE): Promise<Result> {
  const result = await within((async () => work())(), seconds, late)
  if (result === late) throw Object.assign(new Error(`it took more than ${seconds} seconds`), { name: 'TimeoutError' })
  return result as Result
}

export const isLate = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError'

const late = Symbol('late')
