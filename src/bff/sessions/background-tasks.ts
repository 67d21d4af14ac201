import { withTimeout } from '../../protocol/timeout.js'

/** Tasks at a time: what is left to do after an answer must not slow the next ones down. */
const WIDTH = 4

export type BackgroundTasks = ReturnType<typeof createBackgroundTasks>

/** Work that no answer waits for: telling the provider of ended sessions, sweeping. In order, a few at a time. */
export function createBackgroundTasks() {
  const waiting: (() => Promise<void>)[] = []
  const running = new Set<Promise<void>>()

  function next(): void {
    while (running.size < WIDTH) {
      const task = waiting.shift()
      if (!task) return
      const done = task()
        .catch(() => {})
        .then(() => {
          running.delete(done)
          next()
        })
      running.add(done)
    }
  }

  return {
    run(task: () => Promise<void>): void {
      waiting.push(task)
      next()
    },
    /** Waits for what is to be done, for so many seconds. */
    async drain(seconds: number): Promise<void> {
      const all = async () => {
        while (running.size) await Promise.all(running)
      }
      await withTimeout(all(), seconds, undefined)
    },
  }
}
