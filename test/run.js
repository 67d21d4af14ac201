// `npm test`: all tests, in two runs of vitest side by side, then the table of cases over both. With arguments for vitest: one
// run with these. `--full`: with the longer proofs.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** Steps below the priority of this process: a third of the processor time, where others want it, too. */
const LOWER = 5
const reports = 'test-results/reports'

const given = process.argv.slice(2)
const full = given.includes('--full')
const args = given.filter((arg) => arg !== '--full')

/** Resolves to the exit code. */
function vitest(options, lower = 0) {
  const mode = full ? ['--mode', 'full'] : []
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...mode, ...options], {
    stdio: 'inherit',
  })
  // Below the priority that `nice` has given: only the superuser may go above it.
  if (child.pid && lower) setPriority(child.pid, Math.min(constants.priority.PRIORITY_LOW, getPriority() + lower))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

const part = (name, projects, lower) => {
  const reporters = ['--reporter=default', '--reporter=blob', `--outputFile.blob=${reports}/${name}.json`]
  return vitest([...projects.map((project) => `--project=${project}`), ...reporters], lower)
}

async function all() {
  rmSync(reports, { recursive: true, force: true })
  // Tests of stores and browsers mostly wait; the others compute, with the processor time that is left.
  const waiting = part('waiting', ['store', 'e2e', ...(full ? ['runtimes'] : [])])
  const computing = part('computing', ['unit', 'page', 'package'], LOWER)
  const codes = await Promise.all([waiting, computing])
  codes.push(await vitest([`--merge-reports=${reports}`, '--reporter=./test/cases-reporter.ts']))
  return Math.max(...codes)
}

process.exitCode = await (args.length ? vitest(args) : all())
