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
