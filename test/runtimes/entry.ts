import { describe, type File, startTests, type Task, type VitestRunner, type VitestRunnerConfig } from '@vitest/runner'
import type { RealProvider } from './real-network.js'

/**
 * The handler's own tests in one file, for runtimes that vitest does not run in: its runner and its matchers are there, its
 * process is not. Those that need a server or the files of Node stay with Node.
 */
const files = import.meta.glob<unknown>([
  '../bff/*.test.ts',
  '!../bff/{faults,flood,mistakes,opentelemetry,operator-log,protocol}.test.ts',
  '../crypto/certificate.test.ts',
])

export interface Outcome {
  /** Where this ran, by the runtime's own word. */
  userAgent: string
  passed: number
  failed: { name: string; errors: string[] }[]
}

const config: VitestRunnerConfig = {
  root: '/',
  setupFiles: [],
  name: 'runtimes',
  passWithNoTests: false,
  testNamePattern: undefined,
  allowOnly: false,
  sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
  chaiConfig: undefined,
  maxConcurrency: 1,
  testTimeout: 120_000,
  hookTimeout: 20_000,
  retry: 0,
  includeTaskLocation: false,
  tags: [],
  tagsFilter: undefined,
  strictTags: false,
}

/** All of them as one file, for they share one world, whose hooks are for all; each file's own hooks are for that one. */
async function collect(provider: RealProvider): Promise<void> {
  await import('../setup.js')
  for (const [path, load] of Object.entries(files))
    describe(path, async () => {
      await load()
    })
  const { describeRealNetwork } = await import('./real-network.js')
  describeRealNetwork(provider)
  const { describeImports } = await import('./imports.js')
  describeImports()
}

/** Runs them, one after the other. */
export async function run(provider: RealProvider): Promise<Outcome> {
  // What `expect` and `vi` look up; set before the first test file is loaded.
  Object.assign(globalThis, {
    __vitest_worker__: { config, environment: { name: 'node' }, evaluatedModules: new Map() },
  })
  const runner: VitestRunner = { config, importFile: () => collect(provider) }
  const outcome: Outcome = { userAgent: globalThis.navigator?.userAgent ?? 'unknown', passed: 0, failed: [] }
  for (const file of await startTests(['the handler'], runner)) gather(file, outcome)
  return outcome
}

function gather(task: Task | File, outcome: Outcome): void {
  // What is promised of the other home only says so itself.
  if (task.mode === 'skip') return
  const errors = (task.result?.errors ?? []).map(({ message, stack }) => `${message}\n${stack}`)
  if (errors.length || (task.type === 'test' && task.result?.state !== 'pass'))
    outcome.failed.push({ name: task.fullName, errors })
  else if (task.type === 'test') outcome.passed++
  if ('tasks' in task) for (const one of task.tasks) gather(one, outcome)
}
