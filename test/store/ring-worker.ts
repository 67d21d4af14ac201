import { createKeyRing } from 'sallyport/key-ring'
import { fileVault } from 'sallyport/node'
import { providerOf } from '../key-ring/vendor.js'
import { openRedis } from '../services/stores.js'

/** One process that rotates the keys of a vendor whenever they are due. */
const { port, vendor, directory, key } = JSON.parse(process.argv[2] ?? '{}')
const { store } = await openRedis(port)
let offset = 0
const ring = createKeyRing({
  name: 'vendor',
  provider: providerOf(fetch, vendor),
  vault: fileVault({ directory, keys: [key] }),
  store,
  now: () => Date.now() / 1000 + offset,
})

/** Seconds to move on by; then one step. The answer is how it went. */
process.on('message', async (seconds: number) => {
  offset += seconds
  const outcome = await ring.step().then(
    () => 'done',
    (error) => `${error.code} ${JSON.stringify(error.cause)}`,
  )
  process.send?.(outcome)
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
