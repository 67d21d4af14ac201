/** Calls a listener and ignores what it throws. */
export const isolate =
  <Event>(onEvent: ((event: Event) => void) | undefined) =>
  (event: Event): void => {
    try {
      onEvent?.(event)
    } catch {}
  }
