/** Milliseconds that one tab waits for another: a tab that hangs with the lock must not stop the others. */
const LOCK_TIMEOUT = 5000

/**
 * Runs `work` while no other tab runs its own under this name. If the browser has no locks or refuses them, or another tab
 * does not release the lock, it runs anyway: the lock only prevents wasted requests and a race that most providers tolerate.
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
