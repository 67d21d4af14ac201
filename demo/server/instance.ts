import { createServer } from 'node:http'
import { type BffOptions, createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { openStore, type StoreOptions } from './store.js'

/** One of several backend processes: the parent process sends the shared settings. */
export interface InstanceSettings {
  bff: BffOptions
  store: StoreOptions
}

process.once('message', async ({ bff: options, store: where }: InstanceSettings) => {
  const { store } = await openStore(where)
  const bff = createBff({ ...options, store })
  const server = createServer(toNodeListener(bff))
  server.listen(0, '127.0.0.1', () => {
    const bound = server.address()
    process.send?.(bound && typeof bound === 'object' ? bound.port : 0)
  })
  process.once('SIGTERM', async () => {
    await bff.close()
    process.exit()
  })
})
// The parent process has ended.
process.on('disconnect', () => process.exit())
// Ctrl-C reaches every process of a terminal; the parent stops this one later.
process.on('SIGINT', () => {})
