// CPU time of the server process per session check and per proxied GET, of this build and of another checkout's, in one run.
// All take turns, one short round after the other; the medians of the ratios of the same round are the result.
//   npm run build && node bench/compare.js ../another-checkout     (built as well, with its node_modules)
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { load, startBackend, startRedis } from './process.js'

const REQUESTS = 2000
const ROUNDS = 25

const [other] = process.argv.slice(2)
if (!other) {
  console.error('Which checkout is this build to be compared with? node bench/compare.js ../another-checkout')
  process.exit(1)
}
const theirs = await import(pathToFileURL(resolve(other, 'bench/process.js')).href)

const redis = [await startRedis(), await startRedis()]
const api = await startBackend('api')
const builds = [startBackend, theirs.startBackend]
const cases = [
  ...['sealed', 'memory', 'redis'].map((kind) => ({ kind, what: 'GET /session', method: 'GET', path: '/bff/session' })),
  ...['sealed', 'memory', 'redis'].map((kind) => ({
    kind,
    what: 'POST /session',
    method: 'POST',
    path: '/bff/session',
  })),
  ...['sealed', 'memory', 'redis'].map((kind) => ({
    kind,
    what: 'proxied GET',
    method: 'GET',
    path: '/bff/api/notes/v1/notes?page=1',
    apiPort: api.port,
  })),
]

const rows = {}
for (const { kind, what, method, path, apiPort } of cases) {
  const pair = await Promise.all(
    builds.map((start, at) => start(kind, { redisPort: redis[at].port, ...(apiPort && { apiPort }) })),
  )
  const samples = []
  for (let round = -2; round < ROUNDS; round++) {
    const cpu = []
    // Who begins a round is the other one each time.
    for (const at of round % 2 ? [0, 1] : [1, 0]) {
      const before = await pair[at].usage()
      await load(pair[at], { method, path, requests: REQUESTS })
      cpu[at] = ((await pair[at].usage()).cpu - before.cpu) / REQUESTS
    }
    // The first rounds warm up.
    if (round >= 0) samples.push(cpu)
  }
  for (const backend of pair) backend.stop()
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
  rows[`${what}, ${kind}`] = {
    'CPU µs': +median(samples.map(([mine]) => mine)).toFixed(1),
    'the other’s': +median(samples.map(([, its]) => its)).toFixed(1),
    ratio: +median(samples.map(([mine, its]) => mine / its)).toFixed(3),
  }
}
for (const each of [...redis, api]) each.stop()
console.table(rows)
