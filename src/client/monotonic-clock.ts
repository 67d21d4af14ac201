/** Seconds by a clock that nobody can set: a wait or a lifetime is not longer because the system clock was set back. */
export const monotonicNow = (): number => performance.now() / 1000
