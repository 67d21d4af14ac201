/** A listener that throws changes nothing here. */
export const isolate =
  <Event>(onEvent: ((event: Event) => void) | undefined) =>
  (event: Event): void => {
    try {
      onEvent?.(event)
    } catch {}
  }
