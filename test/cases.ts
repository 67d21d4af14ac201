import { agentCases } from './cases/agents.js'
import { backendCases } from './cases/backend.js'
import type { Case } from './cases/case.js'
import { demoCases } from './cases/demo.js'
import { faultCases } from './cases/faults.js'
import { guardCases } from './cases/guard.js'
import { keyCases } from './cases/keys.js'
import { kitCases } from './cases/kit.js'
import { pageCases } from './cases/page.js'
import { proxyCases } from './cases/proxy.js'

/** What must hold, from the threat model (letters) and the lists of cases. */
export const cases: readonly Case[] = [
  ...pageCases,
  ...backendCases,
  ...faultCases,
  ...proxyCases,
  ...guardCases,
  ...keyCases,
  ...agentCases,
  ...kitCases,
  ...demoCases,
]

/** What has been found for a case. */
export interface Finding {
  case: Case
  tests: string[]
  failed: boolean
  twin: boolean
}

/** Matches titles with cases. `[B-08] …` proves B-08; `[B-08 twin] …` its twin. */
export function findings(titles: readonly { title: string; passed: boolean }[]): Finding[] {
  return cases.map((entry) => {
    const naming = (suffix: string) => titles.filter(({ title }) => title.includes(`[${entry.id}${suffix}]`))
    const tests = naming('')
    const twins = naming(' twin')
    return {
      case: entry,
      tests: tests.map(({ title }) => title),
      failed: [...tests, ...twins].some(({ passed }) => !passed),
      twin: twins.length > 0,
    }
  })
}

/** What is wrong with a finding; `undefined` if nothing is. */
export function fault({ case: entry, tests, failed, twin }: Finding): string | undefined {
  if (entry.reason !== undefined) return undefined
  if (!tests.length) return 'no test'
  if (failed) return 'failed'
  return entry.refusal && !twin ? 'no twin' : undefined
}
