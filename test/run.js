// `npm test`: all tests, in two runs of vitest side by side, then the table of cases over both. With arguments for vitest: one
// run with these. `--full`: with the longer proofs.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

const { PRIORITY_NORMAL } = constants.priority
/** A third of the processor time, where others want it, too. */
const PRIORITY_LOWER = 5
const reports = 'test-results/reports'

const given = process.argv.slice(2)
const full = given.includes('--full')
const args = given.filter((arg) => arg !== '--full')

/** Resolves to the exit code. */
function vitest(options, priority = PRIORITY_NORMAL) {
  const mode = full ? ['--mode', 'full'] : []
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...mode, ...options], {
    stdio: 'inherit',
  })
  if (child.pid) setPriority(child.pid, priority)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

const part = (name, projects, priority) => {
  const reporters = ['--reporter=default', '--reporter=blob', `--outputFile.blob=${reports}/${name}.json`]
  return vitest([...projects.map((project) => `--project=${project}`), ...reporters], priority)
}

async function all() {
  rmSync(reports, { recursive: true, force: true })
  // Tests of stores and browsers mostly wait; the others compute, with the processor time that is left.
  const waiting = part('waiting', ['store', 'e2e', ...(full ? ['runtimes'] : [])], PRIORITY_NORMAL)
  const computing = part('computing', ['unit', 'page', 'package'], PRIORITY_LOWER)
  const codes = await Promise.all([waiting, computing])
  codes.push(await vitest([`--merge-reports=${reports}`, '--reporter=./test/cases-reporter.ts']))
  return Math.max(...codes)
}

process.exitCode = await (args.length ? vitest(args) : all())
