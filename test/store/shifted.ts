import type { PostgresStoreOptions } from 'sallyport/store/postgres'
import type { RedisStoreOptions } from 'sallyport/store/redis'

/** Seconds by which the clock of a server goes wrong, for those who reach it through the functions here. */
export interface Shift {
  seconds: number
}

/** The server's clock, as scripts read it: their text is changed on its way, and never known by its digest. */
export const shiftedRedis = (options: RedisStoreOptions, shift: Shift): RedisStoreOptions => ({
  ...options,
  async send(args, key) {
    const [command, text = '', ...rest] = args
    if (command === 'EVALSHA') throw new Error('NOSCRIPT')
    if (command !== 'EVAL') return options.send(args, key)
    const time = "redis.call('TIME')"
    const moved = text.replaceAll(`local time = ${time}`, `local time = ${time} time[1] = time[1] + ${shift.seconds}`)
    return options.send([command, moved, ...rest], key)
  },
})

/** The same for statements and functions. The functions are made again by `migrate()` after the shift has changed. */
export function shiftedPostgres({ query, transaction }: PostgresStoreOptions, shift: Shift): PostgresStoreOptions {
  const moved = (text: string) =>
    text.replaceAll('clock_timestamp()', `(clock_timestamp() + ${shift.seconds} * interval '1 second')`)
  return {
    prefix: 'shifted',
    query: (text, parameters) => query(moved(text), parameters),
    transaction: (work) => transaction((run) => work((text, parameters) => run(moved(text), parameters))),
  }
}
