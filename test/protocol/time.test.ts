import { describe, expect, it, vi } from 'vitest'
import { isRecent, monotonicClock } from '../../src/protocol/time.js'

describe('an instant that somebody else wrote', () => {
  const now = 1_790_000_000
  it.each([
    [now, true],
    [now - 60, true],
    [now - 60.5, false],
    [now + 30, true],
    [now + 31, false],
    [now * 1000, false],
    [`${now}`, false],
    [Number.NaN, false],
    [Number.NEGATIVE_INFINITY, false],
    [undefined, false],
  ])('%s is within a minute: %s', (instant, recent) => {
    expect(isRecent(instant, 60, now)).toBe(recent)
  })
})

describe('the clock for what a process remembers', () => {
  function scene() {
    let wall = 1000
    let tick = 0
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => tick)
    const clock = monotonicClock(() => wall)
    const begun = clock()
    return {
      past: () => clock() - begun,
      pass(seconds: number, ofWhich = seconds) {
        wall += ofWhich
        tick += seconds * 1000
      },
      [Symbol.dispose]: () => spy.mockRestore(),
    }
  }

  it('goes with the wall clock, and by the monotonic one over a step back', () => {
    using it = scene()
    it.pass(100)
    expect(it.past()).toBe(100)
    it.pass(10, -3600)
    expect(it.past()).toBe(110)
    it.pass(0.5)
    expect(it.past()).toBe(110.5)
    it.pass(50)
    expect(it.past()).toBe(160.5)
  })

  it('never goes back', () => {
    using it = scene()
    it.pass(0, -3600)
    expect(it.past()).toBe(0)
    it.pass(0, 31)
    expect(it.past()).toBe(31)
  })
})
