import type { Reporter, TestModule, Vitest } from 'vitest/node'
import { fault, findings } from './cases.js'

/**
 * Prints, after everything else, which test shows which case, and the plain count of tests. A run of all tests fails when a
 * case has no passing test, or a refusal no accepted twin; a partial run only says so.
 */
export default class CasesReporter implements Reporter {
  /** Whether this is the report on all tests, as test/run.js makes it. */
  private whole = false

  onInit({ config }: Vitest): void {
    this.whole = config.mergeReports !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const run = tests.filter((test) => test.result().state !== 'skipped')
    const titles = run.map((test) => ({ title: test.fullName, passed: test.result().state === 'passed' }))
    const found = findings(titles)
    const short = (title: string) =>
      title
        .split(' > ')
        .at(-1)
        ?.replace(/(\[[^\]]*\])+ /, '') ?? title
    console.log('\nCase → test (or why there is none)')
    for (const finding of found) {
      const { id, holds, reason } = finding.case
      const shown = reason ?? (finding.tests[0] === undefined ? '' : short(finding.tests[0]))
      const more = finding.tests.length > 1 ? ` (+${finding.tests.length - 1})` : ''
      const wrong = fault(finding)
      console.log(
        `${wrong ? '✗' : reason ? '–' : '✓'} ${id.padEnd(5)} ${holds} → ${shown}${more}${wrong ? `  [${wrong}]` : ''}`,
      )
    }
    const faults = found.filter((finding) => fault(finding))
    if (faults.length && this.whole) {
      console.log(`\n${faults.length} cases are not shown: ${faults.map((finding) => finding.case.id).join(', ')}`)
      process.exitCode = 1
    }
    const count = (state: string) => tests.filter((test) => test.result().state === state).length
    // A file that could not even be loaded has no tests, and has failed all the same.
    const broken = modules.filter((module) => module.errors().length > 0).length
    console.log(`\n${count('passed')} passed, ${count('failed') + broken} failed`)
  }
}
