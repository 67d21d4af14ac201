import type { SallyportError } from '../protocol/error.js'

/**
 * Authorization responses taken out of the URL, by backend, until they are done with. Shared by all instances in the
 * page: whoever mounts twice finds the first one's work. A response waits here when its chunk could not be loaded.
 */
const callbacks = new Map<string, { search: string; work?: Promise<void> | undefined }>()

/**
 * Finishes the sign-in that this page load is the callback of. `true`: it was one, and this caller was the first.
 *
 * @param failed hears that `finish` could not be run, because its chunk did not come: the next call tries again
 */
export async function arrive(
  backend: string,
  redirect_uri: string,
  finish: (search: string) => Promise<void>,
  failed: (error: SallyportError) => unknown,
): Promise<boolean> {
  const { pathname, search, hash, origin } = location
  if (origin + pathname === redirect_uri && /[?&]state=/.test(search)) {
    callbacks.set(backend, { search })
    // At once, before anything is loaded: the code leaves the URL and this history entry. What else stood there comes back.
    history.replaceState(history.state, '', pathname + hash)
  }
  const callback = callbacks.get(backend)
  if (!callback) return false
  const mine = !callback.work
  try {
    callback.work ??= finish(callback.search)
    await callback.work
    callbacks.delete(backend)
  } catch (error) {
    callback.work = undefined
    failed(error as SallyportError)
  }
  return mine
}
