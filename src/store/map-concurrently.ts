/** Concurrent calls: a page of a thousand must not take every connection. */
const CONCURRENCY = 8

/** Like `Promise.all` of all calls, a few at a time: results in order, and no further calls after one has failed. */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  call: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length)
  // If one worker throws, a generator ends for all of them; an array's iterator would continue.
  const turns = (function* () {
    yield* items.entries()
  })()
  async function worker(): Promise<void> {
    for (const [at, item] of turns) results[at] = await call(item)
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker))
  return results
}
