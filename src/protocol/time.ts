/** Seconds since 1970-01-01T00:00:00Z, fractions allowed. */
export type EpochSeconds = number

/** The clock that comes in by the door. */
export type Now = () => EpochSeconds

/** The clock that is used when none was handed in. */
export const systemNow: Now = () => Date.now() / 1000
