/**
 * What is sealed, stored or signed says in which format it is written: a whole number, 1 at first. A release reads every
 * format since 0.2.0, and the first that changes one still writes the one before; the next release writes the new one. So
 * two releases, one after the other, can serve side by side.
 *
 * What a later release has written cannot be read here. Nobody guesses what it says, and nothing of it is overwritten or
 * removed.
 */
export const isLaterFormat = (format: unknown, known: number): boolean =>
  typeof format === 'number' && Number.isSafeInteger(format) && format > known
