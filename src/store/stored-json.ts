import { StoreError } from './contract.js'

/** The form of records that are JSON objects, see `protocol/format.ts`: it stands in them as `v`, last. */
const FORMAT = 1
const suffix = `,"v":${FORMAT}}`

/** How the records of one kind are written and read. */
export interface StoredJson<Content extends object> {
  write(content: Content): string
  /**
   * Without `v`. A record that says no format is of 0.1.0.
   *
   * @throws StoreError `store_format_unknown` for what a later release wrote, and for what is none of ours
   */
  read(value: string): Content
}

/** `unversioned`: what a record of 0.1.0 says, where that was no JSON object. */
export function storedJson<Content extends object>(
  unversioned: (value: string) => Content | undefined = parse<Content>,
): StoredJson<Content> {
  return {
    write: (content) => JSON.stringify({ ...content, v: FORMAT }),

    read(value) {
      // As it is written: to take a member out of an object again would cost as much as all the rest.
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

/** `undefined` for what is no object. */
function parse<Content>(text: string): Content | undefined {
  try {
    const value = JSON.parse(text)
    return value instanceof Object ? value : undefined
  } catch {
    return undefined
  }
}
