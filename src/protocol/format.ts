/**
 * What is sealed, stored or signed carries the version of its format: a whole number, 1 at first. A release reads every
 * format since 0.2.0. The first release that knows a new format still writes the previous one; the next release writes
 * the new one. So two consecutive releases can run side by side.
 *
 * What a later release has written cannot be read. It is not interpreted, overwritten or removed.
 */
export const isLaterFormat = (format: unknown, known: number): boolean =>
  typeof format === 'number' && Number.isSafeInteger(format) && format > known
