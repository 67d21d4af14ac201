import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toolCallCheck } from '../../src/agents/tools/options.js'
import { SallyportError } from '../../src/protocol/error.js'
import { misspelt, nameOf, replaced, type Spot, type Subject, samplesOf, spotsOf, wrongs } from './faults.js'
import { ask, made, toolCall, written } from './made.js'
import { exported, subjects } from './subjects.js'

const FULL = !!process.env['FULL']

/** What a call comes to: an error, or nothing of the kind. */
async function failure(subject: Subject, args: readonly unknown[]): Promise<unknown> {
  try {
    const outcome = subject.run(...args) as { [Symbol.asyncIterator]?: unknown } | undefined
    if (outcome && Symbol.asyncIterator in Object(outcome)) return undefined
    await outcome
    return undefined
  } catch (error) {
    return error
  }
}

/** A TypeError of ours that names the function and the option. */
function expectNamed(error: unknown, subject: Subject, name: string, what: string): void {
  const shown = error instanceof Error ? `${error.name}: ${error.message}` : `${error}`
  expect(error, `${what}: ${shown}`).toBeInstanceOf(TypeError)
  expect(shown.startsWith(`TypeError: ${subject.who}: "`), `${what} is told by name: ${shown}`).toBe(true)
  expect(shown.includes(`"${name}"`) || shown.includes(`"${name}.`), `${what} is named: ${shown}`).toBe(true)
}

const spots = subjects.flatMap((subject) => spotsOf(subject).map((spot) => [subject, spot] as const))
const isAnything = ({ check }: Spot) => check.expected === 'anything'
const text = ({ who }: Subject, { path }: Spot) => `${who}(${path.join('.')})`

describe('every function that is public', () => {
  it('has a declaration of what it takes', () => {
    const missing = exported.flatMap(([module, functions]) =>
      Object.entries(module).flatMap(([name, value]) =>
        typeof value === 'function' && !Object.hasOwn(functions, name) && !/^(is)?SallyportError$/.test(name)
          ? [name]
          : [],
      ),
    )
    expect(missing).toEqual([])
  })

  it('has one for each function that its factory returns', () => {
    const missing = made.flatMap(([who, instance, calls]) =>
      Object.entries(instance).flatMap(([name, value]) =>
        typeof value === 'function' && !Object.hasOwn(calls, name) ? [`${who}.${name}`] : [],
      ),
    )
    expect(missing).toEqual([])
  })

  it('is examined, but for what comes from outside and is answered', () => {
    expect(spots.length).toBeGreaterThan(400)
    expect([
      ...new Set(spots.flatMap(([subject, spot]) => (isAnything(spot) ? [text(subject, spot)] : []))),
    ]).toMatchSnapshot()
    for (const [subject, spot] of spots)
      if (!isAnything(spot)) expect(spot.check.flaw(null), text(subject, spot)).toBeDefined()
  })
})

describe('misuse', () => {
  it('[K-13] of another type or range is a TypeError that names the option, and nothing is done', async () => {
    const before = written.times
    for (const [subject, spot] of spots) {
      const samples = samplesOf(subject)
      for (const wrong of wrongs) {
        const missing = wrong === undefined && !spot.check.optional
        const flaw = spot.check.flaw(wrong)
        if (!missing && !flaw) continue
        const error = await failure(
          subject,
          replaced(samples, spot.path, () => wrong),
        )
        // An object may be one, and lack something.
        const path = [...spot.path, ...((!missing && flaw?.at.split('.')) || [])].filter(Boolean)
        expectNamed(error, subject, nameOf(subject, path), `${text(subject, spot)} ${typeof wrong}`)
      }
    }
    expect(written.times).toBe(before)
  })

  it('[K-13] of a name is a TypeError that says what was meant', async () => {
    const before = written.times
    const named = spots.flatMap(([subject, spot]) =>
      Object.keys((!spot.check.open && spot.check.members) || {}).map((member) => ({ subject, spot, member })),
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(named.length - 1), fc.nat(3), fc.nat(30), async (at, how, where) => {
        const { subject, spot, member } = named[at] as (typeof named)[number]
        const wrong = misspelt(member, how, where)
        fc.pre(wrong !== '' && !Object.hasOwn(spot.check.members ?? {}, wrong))
        const args = replaced(samplesOf(subject), spot.path, (was) => {
          const { [member]: value, ...others } = was as Record<string, unknown>
          return { ...others, [wrong]: value }
        })
        const error = await failure(subject, args)
        const path = [...spot.path, wrong]
        expectNamed(error, subject, nameOf(subject, path), `${text(subject, spot)} ${wrong}`)
        expect((error as Error).message).toMatch(/is not known here; (did you mean "\w|there are )/)
      }),
      { numRuns: FULL ? 50_000 : 2000 },
    )
    expect(written.times).toBe(before)
  })

  it('is never shown with what was there: it may be a secret in the wrong place', async () => {
    const secret = 'hush-hush-hush-hush-hush-hush-hush'
    for (const [subject, spot] of spots) {
      if (!spot.check.flaw(secret)) continue
      const error = await failure(
        subject,
        replaced(samplesOf(subject), spot.path, () => secret),
      )
      expect(`${error}`, text(subject, spot)).not.toContain(secret)
    }
  })

  it('[K-13] in the call of a tool is an answer: it may come from a request as it is', async () => {
    for (const name of Object.keys(toolCallCheck.members ?? {}))
      for (const wrong of wrongs) {
        const answer = await ask({ ...toolCall, [name]: wrong }).catch((error: unknown) => error)
        const shown = `${name} ${typeof wrong}: ${answer}`
        if (!Object.hasOwn(Object(answer), 'expiresAt')) expect(answer, shown).toBeInstanceOf(SallyportError)
      }
  })
})
