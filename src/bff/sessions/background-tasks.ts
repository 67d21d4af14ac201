import { withTimeout } from '../../protocol/timeout.js'

/** Tasks that run at the same time: they must not slow requests down. */
const MAX_RUNNING = 4

export type BackgroundTasks = ReturnType<typeof createBackgroundTasks>

/** A queue for work that no request waits for: revoking tokens of ended sessions, sweeping the store. */
export function createBackgroundTasks() {
  const waiting: (() => Promise<void>)[] = []
  const running = new Set<Promise<void>>()

  function next(): void {
    while (running.size < MAX_RUNNING) {
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
    /** Waits until the queue is empty, `seconds` at most. */
    async drain(seconds: number): Promise<void> {
      const all = async () => {
        while (running.size) await Promise.all(running)
      }
      await withTimeout(all(), seconds, undefined)
    },
  }
}
