import fc from 'fast-check'
import { digestOf, parseArguments } from 'sallyport/agents'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/agents/canonical-json.js'

/** Any JSON value that can be told from others. */
const json = fc.jsonValue({ noUnicodeString: false }).filter((value) => !/"__proto__":/.test(JSON.stringify(value)))

/** The same value, written as somebody else might: other order, white space, escapes and numbers. */
function respelled(value: unknown, random: () => number): string {
  const space = () => [' ', '\n', '\t', '\r', '', ''][Math.floor(random() * 6)] ?? ''
  const text = (of: string) =>
    `"${[
      ...JSON.stringify(of)
        .slice(1, -1)
        .matchAll(/\\u....|\\.|[^\\]/g),
    ]
      .map(([part]) =>
        part.length === 1 && random() < 0.3 ? `\\u${part.charCodeAt(0).toString(16).padStart(4, '0')}` : part,
      )
      .join('')}"`
  const number = (of: number) => {
    const forms = [JSON.stringify(of), of.toExponential(), Number.isInteger(of) && Math.abs(of) < 1e15 ? `${of}.0` : '']
    return forms[Math.floor(random() * 3)] || JSON.stringify(of)
  }
  const joined = (parts: readonly string[]) => parts.map((part) => space() + part + space()).join(',')
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number') return number(value)
  if (Array.isArray(value)) return `[${joined(value.map((one) => respelled(one, random)))}]`
  if (typeof value !== 'object' || value === null) return `${value}`
  const members = Object.entries(value).sort(() => random() - 0.5)
  return `{${joined(members.map(([name, one]) => `${text(name)}${space()}:${respelled(one, random)}`))}}`
}

describe('canonical JSON', () => {
  it('is as RFC 8785 sections 3.2.2 and 3.2.3 have it', () => {
    expect(
      canonical({
        numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
        string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
        literals: [null, true, false],
      }),
    ).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
    const names = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
    expect(Object.keys(JSON.parse(canonical(Object.fromEntries(names.map((name) => [name, 0])))))).toEqual([
      '1', // An object lists what looks like an index first; the text does not.
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\ud83d\ude00',
      '\ufb33',
    ])
    expect(canonical({ b: 0, '\r': 0, a: 0, 1: 0 })).toBe('{"\\r":0,"1":0,"a":0,"b":0}')
  })

  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('writes the double %s of RFC 8785 appendix B as %s', (hex, text) => {
    const bytes = new DataView(new ArrayBuffer(8))
    bytes.setBigUint64(0, BigInt(`0x${hex}`))
    expect(canonical(bytes.getFloat64(0))).toBe(text)
  })

  it('[A-60][A-60 twin] is one text for one value, however it was written, and another for another', async () => {
    await fc.assert(
      fc.asyncProperty(
        json,
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        async (value, stream) => {
          const random = () => stream.next().value as number
          const read = parseArguments(respelled(value, random))
          expect(canonical(read)).toBe(canonical(value))
          expect(await digestOf(read)).toBe(await digestOf(value))
          expect(canonical(JSON.parse(canonical(value)))).toBe(canonical(value))
        },
      ),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(canonical(a) === canonical(b)).toBe(isEqual(a, b))
      }),
      { numRuns: 500 },
    )
    expect(canonical(parseArguments('[1, 1.0, 1e0, 10e-1, 0.1e1]'))).toBe('[1,1,1,1,1]')
    // What looks alike is not the same: no normalization.
    expect(await digestOf('\u00e9')).not.toBe(await digestOf('e\u0301'))
    expect(await digestOf({ to: '1' })).not.toBe(await digestOf({ to: 1 }))
  })

  it('[A-60] refuses a name that stands twice, however it is spelled', () => {
    const refused = (text: string) => {
      try {
        return parseArguments(text)
      } catch (error) {
        return (error as { code?: string }).code
      }
    }
    for (const text of [
      '{"amount":82,"amount":820}',
      '{"amount":82,"\\u0061mount":820}',
      '{"a":{"b":1,"c":[{"x":1,"x":1}]}}',
      '{"a":"{}","b":{"c":1},"a":2}',
      '{"__proto__":{"admin":true}}',
      '[1e400]',
      '["\\ud800"]',
      '{"a":1',
      '',
      `"${'x'.repeat(65_536)}"`,
      '['.repeat(65) + ']'.repeat(65),
    ])
      expect(refused(text), text.slice(0, 40)).toBe('call_invalid')
    expect(refused('{"a":{"b":1},"b":{"a":1},"c":["a","b",{"a":"\\"a\\":{"}]}')).toEqual({
      a: { b: 1 },
      b: { a: 1 },
      c: ['a', 'b', { a: '"a":{' }],
    })
  })

  it('refuses what could mean one thing here and another elsewhere', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const gap: number[] = [1]
    gap[2] = 3
    const doubled = (levels: number): unknown => (levels ? { a: shared[levels - 1], b: shared[levels - 1] } : 0)
    const shared: unknown[] = []
    for (let level = 0; level < 40; level++) shared.push(doubled(level))
    for (const [name, value] of Object.entries({
      NaN: Number.NaN,
      Infinity: Number.POSITIVE_INFINITY,
      undefined: undefined,
      'a member that is undefined': { a: undefined },
      'a function': () => 1,
      'a method': { toJSON: () => 1 },
      bigint: 1n,
      symbol: Symbol('a'),
      'a symbol as name': { [Symbol('a')]: 1 },
      'a Date': new Date(0),
      'a Map': new Map(),
      'a class': new (class Own {})(),
      'what has inherited': Object.create({ to: 'mallory' }),
      'a getter': Object.defineProperty({}, 'a', { enumerable: true, get: () => Math.random() }),
      'a hidden member': Object.defineProperty({}, 'a', { value: 1 }),
      'a cycle': cycle,
      'an array with a gap': gap,
      'an array with a name': Object.assign([1], { a: 1 }),
      'an array of its own kind': new (class extends Array {})(),
      'half a pair': '\ud800',
      'half a pair as name': { '\udc00': 1 },
      'a member called __proto__': JSON.parse('{"__proto__":1}'),
      'what grows without end': shared.at(-1),
      'a long text': 'x'.repeat(65_537),
    }))
      expect(() => canonical(value), name).toThrow(TypeError)
    expect(canonical({ a: 'x'.repeat(10) }, 18)).toHaveLength(18)
    expect(() => canonical({ a: 'x'.repeat(11) }, 18)).toThrow('more than 18 characters')
    // The same object twice is no cycle; nor is one without a prototype a class.
    expect(canonical([gap.slice(0, 1), Object.assign(Object.create(null), { a: 1 })])).toBe('[[1],{"a":1}]')
    const twice = { a: 1 }
    expect(canonical([twice, twice])).toBe('[{"a":1},{"a":1}]')
  })
})

/** -0 and 0 are one number in JSON. */
function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every(
      (name) =>
        Object.hasOwn(b, name) && isEqual((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]),
    )
  )
}
