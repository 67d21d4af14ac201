// Cost per operation at several numbers of records. Each number has a process of its own, which fills an engine and then does a
// block of calls when it is told to; all take turns, so that a busy machine is busy for all of them. The ratios are the
// result.
import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { engines, servers } from './engines.js'

/** How many times as much an operation may cost as at the first number: at the second, at every later one. */
const LIMITS = [1, 1.5, 2]

/**
 * `operations(opened, records, engine)` fills an engine and resolves to what is measured, by name:
 * `{ run(at), before?(calls), after?(calls), calls?, control? }`. What is done before and after a block is not timed; a control
 * may grow, it shows what the machine does.
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
      .filter(([, { ratios, control }]) => !control && ratios.some((ratio, at) => ratio > (LIMITS[at] ?? 2)))
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
  // Whoever stops it leaves no server behind.
  const stopped = async () => {
    await server.stop()
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stopped)
  try {
    for (const size of sizes) {
      const begun = performance.now()
      workers.push(await startWorker(engine, server.url, size))
      console.error(`  ${size} records in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
    }
    for (const { name, control } of await workers[0]({ names: true })) {
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
      const micros = sizes.map((_, at) => quarter(samples.map((all) => all[at])))
      rows[name] = { control, micros, ratios: micros.map((one) => one / micros[0]) }
      console.error(`  ${name}: ${rows[name].ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`)
    }
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stopped)
    await Promise.all(workers.map(({ end }) => end()))
    await server.stop()
  }
  return rows
}

/** A quarter of the rounds was quicker: a round that others have disturbed counts for nothing. */
const quarter = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 4)]

async function startWorker(engine, url, size) {
  const child = fork(process.argv[1], [engine, url, `${size}`], {
    execArgv: ['--expose-gc', '--max-old-space-size=6000'],
  })
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
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return Object.assign(ask, {
    end() {
      if (child.connected) child.disconnect()
      return ended
    },
  })
}

/** In the process of one number of records. */
async function work(operations) {
  const [engine, url, size] = process.argv.slice(2)
  const { open, ...shape } = engines[engine]
  const records = Number(size)
  const measured = await operations(await open(url, `r${size}`), records, engine)
  globalThis.gc()
  const questions = {
    names: async () => Object.entries(measured).map(([name, { control = false }]) => ({ name, control })),
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
  // The first block brings back what others have driven out of the processor's caches meanwhile.
  for (let block = -1; block < blocks; block++) {
    if (block === 0) took = done = 0
    await before?.(calls)
    const begun = performance.now()
    if (width === 1) for (let at = 0; at < calls; at++) await run(at)
    else for (let at = 0; at < calls; at += width) await Promise.all(upTo(width, (one) => run(at + one)))
    took += performance.now() - begun
    done += calls
    await after?.(calls)
    // What is far from flat need not be done often.
    if (took > 500) break
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

/** Who is there at a time: so many, however many there are, from all over. */
const PRESENT = 100

/** Some of the numbers below a limit, again and again: the same few have come to a processor's caches in every size. */
export function createPresent(limit) {
  const random = createRandom(limit)
  const all = new Set()
  while (all.size < Math.min(PRESENT, limit / 2)) all.add(random())
  const present = [...all]
  const one = createRandom(present.length)
  return { one: () => present[one()], some: (count) => upTo(count, (at) => present[at % present.length]) }
}
