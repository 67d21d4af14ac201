// CPU time of the server process per session check, beside a bare node:http server that answers fixed JSON. One run, all
// take turns; the ratios are the result, since machines are noisy.
//   npm run build && node bench/session-check.js [--cpu-prof FOLDER]
import { load, startBackend, startRedis } from './process.js'

const REQUESTS = 8000
const ROUNDS = 5
const profile = process.argv[2] === '--cpu-prof' ? (process.argv[3] ?? 'profiles') : undefined

const redis = await startRedis()
const kinds = ['bare', 'sealed', 'memory', 'redis']
const backends = await Promise.all(kinds.map((kind) => startBackend(kind, { redisPort: redis.port, profile })))
const [floor, sealed, memory, inRedis] = backends
// The floor reads the same requests.
const bare = { ...floor, cookies: sealed.cookies }
const measured = {
  'GET, bare node:http': [bare, 'GET'],
  'POST, bare node:http': [bare, 'POST'],
  'GET /session, sealed cookies': [sealed, 'GET'],
  'GET /session, memory store': [memory, 'GET'],
  'GET /session, Redis': [inRedis, 'GET'],
  'POST /session, sealed cookies': [sealed, 'POST'],
  'POST /session, memory store': [memory, 'POST'],
  'POST /session, Redis': [inRedis, 'POST'],
}
const samples = Object.fromEntries(Object.keys(measured).map((name) => [name, []]))
for (let round = -1; round < ROUNDS; round++)
  for (const [name, [backend, method]] of Object.entries(measured)) {
    const before = await backend.usage()
    const begun = performance.now()
    const times = await load(backend, { method, requests: REQUESTS })
    const seconds = (performance.now() - begun) / 1000
    const cpu = ((await backend.usage()).cpu - before.cpu) / REQUESTS
    // The first round warms up.
    if (round >= 0) samples[name].push({ cpu, rate: REQUESTS / seconds, p99: times[Math.floor(REQUESTS * 0.99)] })
  }
for (const backend of backends) backend.stop()
redis.stop()

const median = (name, key) => samples[name].map((sample) => sample[key]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]
const row = ([name, [, method]]) => [
  name,
  {
    'CPU µs': +median(name, 'cpu').toFixed(1),
    ratio: +(median(name, 'cpu') / median(`${method}, bare node:http`, 'cpu')).toFixed(2),
    'requests/s': Math.round(median(name, 'rate')),
    'p99 ms': +median(name, 'p99').toFixed(1),
  },
]
console.table(Object.fromEntries(Object.entries(measured).map(row)))
