// Whether the time of a refusal says why: an unknown id, a wrong secret of a known id and a revoked key, each presented many
// times in random order in one run. Two kinds of unknown id are the control: what differs between them is noise.
// Welch's t of the times below the 90th percentile, as dudect does it: |t| below 4.5 is no evidence of a difference.
//   npm run build && node bench/timing.js
import { randomInt } from 'node:crypto'
import { createApiKeys } from 'sallyport/keys'
import { memoryStore } from 'sallyport/store'

const EACH = 40_000
const make = async () => {
  const keys = createApiKeys({ store: memoryStore(), prefix: 'bench', scopes: ['notes:read'] })
  const input = { tenant: 'acme', owner: 'alice', name: 'bench', scopes: ['notes:read'] }
  return { keys, create: () => keys.create(input) }
}
const { keys, create } = await make()
const stranger = await make()

/** A key of a known id whose secret is another one: its checksum is right, as a guesser's would be. */
async function withAnotherSecret({ key, record }) {
  // No two keys of one id can be made; a rotated one shares the partition, and its id is put in the place of the other's.
  const { withChecksum } = await import('../dist/keys/format.js')
  return withChecksum(`bench_${record.id}_${key.slice(-49, -6).split('').reverse().join('')}`)
}

const pool = async (making) => Promise.all(Array.from({ length: 64 }, making))
const kinds = {
  'unknown id': await pool(async () => (await stranger.create()).key),
  'another unknown id': await pool(async () => (await stranger.create()).key),
  'wrong secret': await pool(async () => withAnotherSecret(await create())),
  revoked: await pool(async () => {
    const { key, record } = await create()
    await keys.revoke(record.id, { tenant: 'acme' })
    return key
  }),
}
for (const [kind, texts] of Object.entries(kinds))
  for (const text of texts) if ((await keys.verify(text)).ok) throw new Error(`${kind} was accepted`)

const names = Object.keys(kinds)
const times = Object.fromEntries(names.map((name) => [name, []]))
for (let at = 0; at < EACH * names.length; at++) {
  const name = names[randomInt(names.length)]
  const text = kinds[name][randomInt(64)]
  const before = process.hrtime.bigint()
  await keys.verify(text)
  // The first tenth warms up.
  if (at > (EACH * names.length) / 10) times[name].push(Number(process.hrtime.bigint() - before))
}

const all = names.flatMap((name) => times[name]).sort((a, b) => a - b)
const cut = all[Math.floor(all.length * 0.9)]
const summary = (name) => {
  const kept = times[name].filter((time) => time <= cut)
  const mean = kept.reduce((sum, time) => sum + time, 0) / kept.length
  const variance = kept.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (kept.length - 1)
  return { count: kept.length, mean, variance, median: kept.sort((a, b) => a - b)[kept.length >> 1] }
}
const base = summary('unknown id')
console.table(
  Object.fromEntries(
    names.map((name) => {
      const { count, mean, variance, median } = summary(name)
      const t = (mean - base.mean) / Math.sqrt(variance / count + base.variance / base.count)
      return [
        name,
        {
          calls: count,
          'median ns': median,
          'mean ns': Math.round(mean),
          'above unknown, ns': Math.round(mean - base.mean),
          t: name === 'unknown id' ? 0 : +t.toFixed(1),
        },
      ]
    }),
  ),
)
