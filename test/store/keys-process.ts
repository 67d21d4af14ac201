import { createGuard } from 'sallyport/guard'
import { apiKey, createApiKeys, type NewApiKey } from 'sallyport/keys'
import { postgresUrl } from '../services/postgres.js'
import { answering } from '../services/script.js'
import { openPostgres, openRedis } from '../services/stores.js'

/** One process of an API that accepts keys. */
export interface KeysProcessOptions {
  engine: 'redis' | 'postgres'
  port: number
}

const { engine, port }: KeysProcessOptions = JSON.parse(process.argv[2] ?? '{}')
const { store, ledger } = engine === 'redis' ? await openRedis(port) : await openPostgres(postgresUrl(port))

/** Verifications of this owner stop here until they may go on. */
const SLOW = 'slow'
let stopped = 0
let go = () => {}
const gate = new Promise<void>((resolve) => {
  go = resolve
})
const keys = createApiKeys({
  store,
  ledger,
  prefix: 'sp_test',
  scopes: ['data:read'],
  async isOwnerActive({ owner }) {
    if (owner !== SLOW) return true
    stopped++
    await gate
    return true
  },
})
const protect = createGuard({ resource: 'https://api.example.com', accept: [apiKey(keys)] })

async function call(key: string): Promise<number> {
  const outcome = await protect(new Request('https://api.example.com/data', { headers: { 'X-API-Key': key } }))
  return outcome.ok ? 200 : outcome.response.status
}

answering({
  create: (input: NewApiKey<'data:read'>) => keys.create(input),
  rotate: (id: string, options: { tenant: string; grace?: number }) => keys.rotate(id, options),
  revoke: (id: string, options: { tenant: string }) => keys.revoke(id, options),
  list: (options: { tenant: string; limit: number }) => keys.list(options),
  quotaUse: (id: string, options: { tenant: string }) => keys.quotaUse(id, options),
  call,
  /** So many calls at once. */
  calls: (key: string, times: number) => Promise.all(Array.from({ length: times }, () => call(key))),
  stopped: () => stopped,
  go: () => go(),
})
