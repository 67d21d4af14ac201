/**
 * Authorization responses taken out of the URL, by backend, until they are done with. Shared by all instances in the
 * page: whoever mounts twice finds the first one's work. A response waits here when its chunk could not be loaded.
 */
const callbacks = new Map<string, { search: string; work?: Promise<void> | undefined }>()

/**
 * Finishes the sign-in that this page load is the callback of, if it is one.
 *
 * Throws what `finish` throws, because its chunk did not come: the next call tries again.
 */
export async function handleCallback(
  backend: string,
  redirect_uri: string,
  finish: (search: string) => Promise<void>,
): Promise<void> {
  const { pathname, search, hash, origin } = location
  const answers = origin + pathname === redirect_uri && /(?=.*[?&]state=).*[?&](code|error)=/.test(search)
  if (answers) callbacks.set(backend, { search })
  // At once, before anything is loaded: the code leaves the URL and this history entry. What else stood there comes back.
  // After a sign-out it is the `state` alone that leaves, and only one of ours.
  const rest = answers ? '' : search.replace(/([?&])state=sallyport\.[^&]*(&|$)/, (_, a, b) => b && a)
  if (rest !== search) history.replaceState(history.state, '', pathname + rest + hash)
  const callback = callbacks.get(backend)
  if (callback) {
    callback.work ??= finish(callback.search).catch((error) => {
      callback.work = undefined
      throw error
    })
    await callback.work
    callbacks.delete(backend)
  }
}
