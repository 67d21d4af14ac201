import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cases } from './cases.js'

/** How many requirements each section has that concern a backend, a page, or what lies between. */
const required: Record<string, number> = {
  '6.1.1': 1,
  '6.1.2.1': 1,
  '6.1.2.2': 2,
  '6.1.2.3': 1,
  '6.1.3.1': 2,
  '6.1.3.2': 6,
  '6.1.3.3': 1,
  '6.1.3.3.2': 2,
  '6.1.3.3.3': 1,
  '6.1.3.4': 1,
  '6.1.3.5': 1,
  '6.1.3.6': 2,
  '6.1.3.7': 1,
  '6.1.4': 1,
  '6.2.1': 1,
  '6.2.2.1': 1,
  '6.2.2.2': 1,
  '6.2.2.3': 1,
  '6.2.3.1': 1,
  '6.2.3.2': 1,
  '6.2.3.3': 1,
  '6.2.4.3.1': 1,
  '6.2.4.3.2': 1,
  '6.2.4.4': 1,
  '6.3.2.1': 1,
  '6.3.2.2': 1,
  '6.3.2.3': 1,
  '6.3.3.1': 1,
  '6.3.3.2': 1,
  '6.3.3.3': 1,
  '7.2': 1,
  '7.3': 1,
  '8.1': 1,
  '8.2': 1,
  '8.4': 1,
  '9.1': 1,
  '9.2': 1,
  '9.3': 1,
  '9.4': 1,
}

const shown = new Set(cases.flatMap(({ id, reason }) => (reason === undefined ? [id] : [])))

/** What is wrong with the page: requirements without a row, rows without words, cases that nothing shows. */
function faults(page: string): string[] {
  const rows = [...page.matchAll(/^\| ([\d.]+) +\| (.+?) +\| (.+?) +\| (.*?) *\|$/gm)].map(
    ([, section = '', asks = '', does = '', by = '']) => ({ section, asks, does, by }),
  )
  const count = (section: string) => rows.filter((row) => row.section === section).length
  return [
    ...Object.entries(required).flatMap(([section, times]) =>
      count(section) === times ? [] : [`${section}: ${count(section)} rows for ${times} requirements`],
    ),
    ...rows.flatMap(({ section, by }) => {
      const ids = by.split(', ')
      return [
        ...(section in required ? [] : [`${section} is not in the list`]),
        ...ids.flatMap((id) => (shown.has(id) ? [] : [`${section}: no case is called “${id}”`])),
      ]
    }),
  ]
}

describe('docs/rfc10017.md', () => {
  const page = readFileSync('docs/rfc10017.md', 'utf8')

  it('has a row for each requirement, and each row a case that shows it', () => {
    expect(faults(page)).toEqual([])
  })

  it('would be seen to have drifted', () => {
    expect(faults(page.replace(/^\| 8\.1 .*\n/m, ''))).toEqual(['8.1: 0 rows for 1 requirements'])
    expect(faults(page.replace('| F-100 ', '| F-999 '))).toEqual(['6.2.4.3.2: no case is called “F-999”'])
    expect(faults(page.replace('| F-100 ', '|       '))).toHaveLength(1)
    expect(faults(page.replace(/^\| 6\.2\.4\.3\.2 /m, '| 6.9 '))).toHaveLength(2)
  })
})
