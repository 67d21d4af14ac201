import { StoreError } from './contract.js'

/** The format version of records that are JSON objects, see `protocol/format.ts`. It is their last member, `v`. */
const FORMAT = 1
const suffix = `,"v":${FORMAT}}`

/** How the records of one kind are written and read. */
export interface StoredJson<Content extends object> {
  write(content: Content): string
  /**
   * The content without `v`. A record without a format version was written by 0.1.0.
   *
   * @throws StoreError `store_format_unknown` for records of a later release, and for values that are not our records
   */
  read(value: string): Content
}

/** `unversioned`: reads a record of 0.1.0, if that was not a JSON object. */
export function storedJson<Content extends object>(
  unversioned: (value: string) => Content | undefined = parse<Content>,
): StoredJson<Content> {
  return {
    write: (content) => JSON.stringify({ ...content, v: FORMAT }),

    read(value) {
      // Cutting the suffix off the text is faster: removing a member from an object costs as much as all the rest.
      const known = value.endsWith(suffix) ? parse<Content>(`${value.slice(0, -suffix.length)}}`) : undefined
      if (known) return known
      const { v, ...content } = parse<{ v?: unknown }>(value) ?? {}
      if (v === FORMAT) return content as Content
      const found = v === undefined ? unversioned(value) : undefined
      if (found) return found
      throw new StoreError('store_format_unknown')
    },
  }
}

/** `undefined` if the text is not a JSON object. */
function parse<Content>(text: string): Content | undefined {
  try {
    const value = JSON.parse(text)
    return value instanceof Object ? value : undefined
  } catch {
    return undefined
  }
}
