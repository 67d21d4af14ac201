import { sha256 } from '../crypto/hash.js'

const fit = /^[^\u0000-\u001f\u007f\p{Surrogate}]{1,200}$/u

/** Whether something can name anything here, in every engine: 1 to 200 characters, none of them a control or half of a pair. */
export const isText = (value: unknown): value is string => typeof value === 'string' && fit.test(value)

/** What {@link isText} asks for, in words. */
export const textRule = 'a text of 1 to 200 characters'

/** Texts of any length and form as one name: no two lists have the same. */
export const nameOf = (...parts: readonly string[]): Promise<string> => sha256(JSON.stringify(parts))
