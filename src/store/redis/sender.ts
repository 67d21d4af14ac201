import { anyText, described, func, object, optional } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { faultOfRedis, toStoreError } from '../faults.js'

export interface RedisStoreOptions {
  /**
   * Sends one command with your own client and resolves to the plain reply. A cluster client finds the node by `key`;
   * the client of a single server ignores it:
   *
   * - `redis`: `send: (args) => client.sendCommand(args)`, cluster: `(args, key) => cluster.sendCommand(key, false,
   * args)`
   * - `ioredis`: `send: ([name, ...args]) => client.call(name, args)`, for a cluster the same
   */
  send(args: string[], key: string): Promise<unknown>
  /** The prefix of all keys: it keeps apps apart that share a server. Default `sallyport:`. */
  prefix?: string
}

/** A script, and its digest once it has been computed. */
export interface Script {
  readonly text: string
  digest?: string
}

export const redisOptions = object<RedisStoreOptions>({
  send: described('a function (args, key) => reply', func),
  prefix: optional(anyText),
})

/** Sends commands for both Redis engines, and makes the keys. @throws TypeError naming the option */
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

  /** Runs a script by its digest; sends the text if the server does not have it yet. */
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
    /** The start of all keys of a partition: its hash tag keeps them on one node. */
    tag: (partition: string): string => `${prefix}{${escapeName(partition)}}`,
    /** The key of an index value, on any node. */
    indexKey: (index: string, value: string): string => `${prefix}{${escapeName(index)}:${escapeName(value)}}:index`,
  }
}

/** Escapes the characters that have a meaning in keys; most texts stay unchanged. */
export const escapeName = (text: string): string => (/^[\w.~-]+$/.test(text) ? text : encodeURIComponent(text))

/** Redis names scripts by their SHA-1 digest. It protects nothing here. */
async function sha1(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text)))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
