/** Milliseconds that one tab waits for another: a tab that hangs or was frozen with the lock must not stop the others. */
const LOCK_TIMEOUT = 5000

/**
 * Runs `work` while no other tab runs its own under this name. Where the browser has no locks, refuses them, or another tab
 * does not let go, it runs all the same: what the lock prevents is waste and a race that most providers forgive, and a tab
 * that waits for ever is worse.
 */
export async function withLock<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
  let begun = false
  const once = () => {
    begun = true
    return work()
  }
  try {
    const { locks } = navigator
    if (!locks) return await once()
    return await locks.request(name, { signal: AbortSignal.timeout(LOCK_TIMEOUT) }, once)
  } catch (error) {
    if (begun) throw error
    return once()
  }
}
