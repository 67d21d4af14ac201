// Cost per operation at several numbers of records. Each number has a process of its own, which fills an engine and then does a
// block of calls when it is told to; all take turns, so that a busy machine is busy for all of them. The ratios of the
// same round are the result.
import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { engines, servers } from './engines.js'

/** How many times as much an operation may cost as at the first number: at the second, at every later one. */
const LIMITS = [1, 1.5, 2]

/**
 * `operations(opened, records, engine)` fills an engine and resolves to what is measured, by name:
 * `{ run(at), before?(calls), after?(calls), calls? }`. What is done before and after a block is not timed; where an engine
 * does not have an operation, it is absent.
 */
export async function measureGrowth(title, operations) {
  if (process.send) await work(operations)
  else await direct(title)
}

async function direct(title) {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', multiple: true, default: Object.keys(engines) },
      records: { type: 'string', multiple: true, default: ['1000', '100000', '1000000'] },
      rounds: { type: 'string', default: '21' },
      only: { type: 'string', default: '' },
    },
  })
  const sizes = values.records.map(Number)
  const results = {}
  for (const engine of values.engine) {
    console.error(`${title}, ${engine}: filling`)
    results[engine] = await measureEngine(engine, sizes, Number(values.rounds), values.only)
    console.log(`${title}, ${engine}: µs per operation, and how many times as much as at ${sizes[0]} records`)
    console.table(Object.fromEntries(Object.entries(results[engine]).map(([name, row]) => [name, shown(row, sizes)])))
  }
  console.log(JSON.stringify({ title, sizes, results }))
  const uneven = Object.entries(results).flatMap(([engine, rows]) =>
    Object.entries(rows)
      .filter(([, { ratios }]) => ratios.some((ratio, at) => ratio > (LIMITS[at] ?? 2)))
      .map(([name]) => `${engine}: ${name}`),
  )
  if (uneven.length) console.error(`Not flat: ${uneven.join('; ')}`)
  process.exitCode = uneven.length ? 1 : 0
}

const shown = ({ micros, ratios }, sizes) =>
  Object.fromEntries(
    sizes.flatMap((size, at) => [
      [`${size}`, +micros[at].toFixed(micros[at] < 100 ? 2 : 0)],
      ...(at ? [[`× ${size}`, +ratios[at].toFixed(2)]] : []),
    ]),
  )

async function measureEngine(engine, sizes, rounds, only) {
  const server = await servers[engine]()
  const workers = []
  const rows = {}
  try {
    for (const size of sizes) {
      const begun = performance.now()
      workers.push(await startWorker(engine, server.url, size))
      console.error(`  ${size} records in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
    }
    for (const name of await workers[0]({ names: true })) {
      if (!name.includes(only)) continue
      const samples = []
      for (let round = -2; round < rounds; round++) {
        const micros = []
        // Who begins a round is the other end each time.
        const order = [...workers.entries()]
        if (round % 2) order.reverse()
        for (const [at, ask] of order) micros[at] = await ask({ name })
        // The first rounds warm up.
        if (round >= 0) samples.push(micros)
      }
      rows[name] = {
        micros: sizes.map((_, at) => median(samples.map((micros) => micros[at]))),
        ratios: sizes.map((_, at) => median(samples.map((micros) => micros[at] / micros[0]))),
      }
      console.error(`  ${name}: ${rows[name].ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`)
    }
  } finally {
    for (const { end } of workers) end()
    await server.stop()
  }
  return rows
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]

async function startWorker(engine, url, size) {
  const child = fork(process.argv[1], [engine, url, `${size}`], { execArgv: ['--max-old-space-size=6000'] })
  const heard = () =>
    new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`the process of ${size} records ended with ${code}`))
      child.once('exit', ended)
      child.once('message', (message) => {
        child.off('exit', ended)
        resolve(message)
      })
    })
  await heard()
  const ask = (question) => {
    child.send(question)
    return heard()
  }
  return Object.assign(ask, { end: () => child.connected && child.disconnect() })
}

/** In the process of one number of records. */
async function work(operations) {
  const [engine, url, size] = process.argv.slice(2)
  const { open, ...shape } = engines[engine]
  const records = Number(size)
  const measured = await operations(await open(url, `r${size}`), records, engine)
  const questions = {
    names: async () => Object.keys(measured),
    name: (name) => measure(measured[name], shape),
  }
  process.on('disconnect', () => process.exit())
  process.on('message', async (message) => {
    const [[what, value]] = Object.entries(message)
    process.send(await questions[what](value))
  })
  process.send('ready')
}

/** Microseconds per call. */
async function measure({ run, before, after, calls: own }, { calls: usual, width, blocks }) {
  const calls = own ?? usual
  let [took, done] = [0, 0]
  for (let block = 0; block < blocks; block++) {
    await before?.(calls)
    const begun = performance.now()
    if (width === 1) for (let at = 0; at < calls; at++) await run(at)
    else for (let at = 0; at < calls; at += width) await Promise.all(upTo(width, (one) => run(at + one)))
    took += performance.now() - begun
    done += calls
    await after?.(calls)
    // What is far from flat need not be done often.
    if (took > 1000) break
  }
  return (took / done) * 1000
}

export const upTo = (count, make) => Array.from({ length: count }, (_, at) => make(at))

/** Calls for each of so many numbers, a few hundred at a time. */
export async function forEachUpTo(count, call) {
  for (let at = 0; at < count; at += 500) await Promise.all(upTo(Math.min(500, count - at), (one) => call(at + one)))
}

/** Numbers below a limit, in no order, and the same ones in each run. */
export function createRandom(limit) {
  let state = 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
