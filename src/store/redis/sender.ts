import { anyText, described, func, object, optional } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { faultOfRedis, toStoreError } from '../faults.js'

export interface RedisStoreOptions {
  /**
   * Sends one command with your own client and resolves to the plain reply. `key` is what a cluster client finds the
   * node by; clients of a single server leave it aside:
   *
   * - `redis`: `send: (args) => client.sendCommand(args)`, cluster: `(args, key) => cluster.sendCommand(key, false, args)`
   * - `ioredis`: `send: ([name, ...args]) => client.call(name, args)`, for a cluster the same
   */
  send(args: string[], key: string): Promise<unknown>
  /** What all keys begin with: apps that share a server are kept apart by it. Default `sallyport:`. */
  prefix?: string
}

/** A script, and its name once it has been computed. */
export interface Script {
  readonly text: string
  digest?: string
}

export const redisOptions = object<RedisStoreOptions>({
  send: described('a function (args, key) => reply', func),
  prefix: optional(anyText),
})

/** What both engines on Redis send with, and how they name keys. @throws TypeError naming the option */
export function createRedisSender(engine: string, options: RedisStoreOptions) {
  validate(engine, redisOptions, options)
  const { send, prefix = 'sallyport:' } = options
  if (/[{}]/.test(prefix)) throw new TypeError(`${engine}: "prefix" must have no braces, they mark the partition`)

  async function ask(args: string[], key: string): Promise<unknown> {
    try {
      return await send(args, key)
    } catch (error) {
      throw toStoreError(error, faultOfRedis(error))
    }
  }

  /** Runs a script by its digest; a server that does not know it yet gets the text. */
  async function run(script: Script, keys: string[], args: (string | number)[]): Promise<unknown> {
    const [key = ''] = keys
    const rest = [`${keys.length}`, ...keys, ...args.map(String)]
    try {
      script.digest ??= await sha1(script.text)
      return await send(['EVALSHA', script.digest, ...rest], key)
    } catch (error) {
      if (!`${(error as Error | undefined)?.message}`.includes('NOSCRIPT'))
        throw toStoreError(error, faultOfRedis(error))
      return ask(['EVAL', script.text, ...rest], key)
    }
  }

  return {
    ask,
    run,
    /** What begins the keys of a partition, and keeps them on one node. */
    tag: (partition: string): string => `${prefix}{${escapeName(partition)}}`,
    /** The key of an index, which lies wherever its value puts it. */
    indexKey: (index: string, value: string): string => `${prefix}{${escapeName(index)}:${escapeName(value)}}:index`,
  }
}

/** Nothing that a key could be misread by; most texts stay as they are. */
export const escapeName = (text: string): string => (/^[\w.~-]+$/.test(text) ? text : encodeURIComponent(text))

/** Only to name a script: that is how Redis calls it. */
async function sha1(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text)))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
