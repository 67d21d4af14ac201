const usual = 'memoryStore() for one process, redisStore(…) or postgresStore(…) for all'

/** @throws TypeError naming the option */
export function examineStore(maker: string, store: { get?: unknown } | undefined, remedy = usual): void {
  if (typeof store?.get !== 'function') throw new TypeError(`${maker}: "store" is missing: ${remedy}`)
}
