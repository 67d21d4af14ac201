/**
 * Looks at the entries of a map in turn, as many as it is told to at a time, and removes what is useless: no write pays for
 * all that there is. Two for each entry that is added keep a map within twice what is of use.
 */
export function createSweep<Key, Value>(
  map: Map<Key, Value>,
  useless: (value: Value) => boolean,
  remove: (key: Key, value: Value) => void = (key) => map.delete(key),
): (steps: number) => void {
  let hand = map.entries()
  return (steps) => {
    for (let step = 0; step < steps; step++) {
      const { value: entry, done } = hand.next()
      if (done) {
        hand = map.entries()
        return
      }
      if (useless(entry[1])) remove(...entry)
    }
  }
}
