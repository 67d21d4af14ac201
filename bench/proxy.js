// CPU time of the server process per proxied GET of small JSON, beside a bare node:http proxy that asks nobody who is
// there. One run, all take turns; the ratios are the result, since machines are noisy.
//   npm run build && node bench/proxy.js [--cpu-prof FOLDER]
import { load, startBackend, startRedis } from './process.js'

const REQUESTS = 8000
const ROUNDS = 5
const profile = process.argv[2] === '--cpu-prof' ? (process.argv[3] ?? 'profiles') : undefined

const redis = await startRedis()
const api = await startBackend('api')
const options = { redisPort: redis.port, apiPort: api.port, profile }
const kinds = ['bare-proxy', 'sealed', 'memory', 'redis']
const [floor, sealed, memory, inRedis] = await Promise.all(kinds.map((kind) => startBackend(kind, options)))
const measured = {
  // It reads the same requests.
  'bare node:http proxy': { ...floor, cookies: sealed.cookies },
  'sealed cookies': sealed,
  'memory store': memory,
  Redis: inRedis,
}
const samples = Object.fromEntries(Object.keys(measured).map((name) => [name, []]))
for (let round = -1; round < ROUNDS; round++)
  for (const [name, backend] of Object.entries(measured)) {
    const before = await backend.usage()
    const begun = performance.now()
    const times = await load(backend, { method: 'GET', path: '/bff/api/notes/v1/notes?page=1', requests: REQUESTS })
    const seconds = (performance.now() - begun) / 1000
    const cpu = ((await backend.usage()).cpu - before.cpu) / REQUESTS
    // The first round warms up.
    if (round >= 0) samples[name].push({ cpu, rate: REQUESTS / seconds, p99: times[Math.floor(REQUESTS * 0.99)] })
  }
for (const each of [api, floor, sealed, memory, inRedis, redis]) each.stop()

const median = (name, key) => samples[name].map((sample) => sample[key]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]
const row = (name) => [
  name,
  {
    'CPU µs': +median(name, 'cpu').toFixed(1),
    ratio: +(median(name, 'cpu') / median('bare node:http proxy', 'cpu')).toFixed(2),
    'requests/s': Math.round(median(name, 'rate')),
    'p99 ms': +median(name, 'p99').toFixed(1),
  },
]
console.table(Object.fromEntries(Object.keys(measured).map(row)))
