/**
 * Checks the next entries of a map in turn and removes those that are useless: no write has to check them all. Two
 * steps for each added entry keep the map at most twice as large as needed.
 */
export function createSweep<Key, Value>(
  map: Map<Key, Value>,
  useless: (value: Value) => boolean,
  remove: (key: Key, value: Value) => void = (key) => map.delete(key),
): (steps: number) => void {
  let iterator = map.entries()
  return (steps) => {
    for (let step = 0; step < steps; step++) {
      const { value: entry, done } = iterator.next()
      if (done) {
        iterator = map.entries()
        return
      }
      if (useless(entry[1])) remove(...entry)
    }
  }
}
