/** A function that passes events to a listener, and ignores what the listener throws. */
export const emitTo =
  <Event>(onEvent: ((event: Event) => void) | undefined) =>
  (event: Event): void => {
    try {
      onEvent?.(event)
    } catch {}
  }
