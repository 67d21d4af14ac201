/**
 * Authorization responses that were taken out of the URL, by backend, until they are processed. All instances in the page
 * share them: an app that mounts twice processes a response once. A response stays here if its chunk could not be loaded.
 */
const callbacks = new Map<string, { search: string; work?: Promise<void> | undefined }>()

/**
 * Finishes the sign-in, if this page load is its callback.
 *
 * Throws what `finish` throws if its chunk did not load: the next call tries again.
 */
export async function handleCallback(
  backend: string,
  redirect_uri: string,
  finish: (search: string) => Promise<void>,
): Promise<void> {
  const { pathname, search, hash, origin } = location
  const isCallback = origin + pathname === redirect_uri && /(?=.*[?&]state=).*[?&](code|error)=/.test(search)
  if (isCallback) callbacks.set(backend, { search })
  // Before anything is loaded, the code is removed from the URL and this history entry. The other parameters are put back
  // later. After a sign-out only `state` is removed, and only one of ours.
  const remainingSearch = isCallback ? '' : search.replace(/([?&])state=sallyport\.[^&]*(&|$)/, (_, a, b) => b && a)
  if (remainingSearch !== search) history.replaceState(history.state, '', pathname + remainingSearch + hash)
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
