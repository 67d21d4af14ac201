const tasks: (() => unknown)[] = []

/** Has something done after each test, in whichever file: a module is loaded once for a process, its hooks would be one file's. */
export const afterEachTest = (task: () => unknown): unknown => tasks.push(task)

export async function runTasks(): Promise<void> {
  for (const task of tasks) await task()
}
