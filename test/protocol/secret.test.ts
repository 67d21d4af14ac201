import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSecretCache, resolveSecret } from '../../src/protocol/secret.js'
import { callWithTimeout, isTimeoutError } from '../../src/protocol/timeout.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const hangs = () => new Promise<never>(() => {})

describe('a function of somebody else', () => {
  it('[G-23] has its time and no more, and leaves no timer behind', async () => {
    const late = callWithTimeout(hangs, 3).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(3000)
    expect(isTimeoutError(await late)).toBe(true)
    expect(await callWithTimeout(async () => 'in time', 3)).toBe('in time')
    expect(await callWithTimeout(() => 'at once', 3)).toBe('at once')
    await expect(callWithTimeout(() => Promise.reject(new Error('no')), 3)).rejects.toThrow('no')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('[G-23] that gives a secret has five seconds; a text needs none', async () => {
    const late = resolveSecret(hangs).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(5000)
    expect(isTimeoutError(await late)).toBe(true)
    expect(await resolveSecret('text')).toBe('text')
  })
})

describe('what is made of secrets', () => {
  function reading(dynamic = true) {
    let time = 1_790_000_000
    const state = { made: 0, failures: 0, make: async () => `${++state.made}` as string }
    const read = createSecretCache(() => state.make(), { dynamic, now: () => time, onFailure: () => state.failures++ })
    return { state, read, advance: (seconds: number) => (time += seconds) }
  }

  it('[G-23] is made again after five minutes where a function gives them, once for all who ask', async () => {
    const { read, advance } = reading()
    expect([await read(), await read()]).toEqual(['1', '1'])
    advance(300)
    expect(await read()).toBe('1')
    advance(1)
    expect(await Promise.all([read(), read(), read()])).toEqual(['2', '2', '2'])
  })

  it('is made once of texts', async () => {
    const { read, advance } = reading(false)
    await read()
    advance(1_000_000)
    expect(await read()).toBe('1')
  })

  it('[G-23] serves on while they cannot be had, and is asked for again ten seconds later', async () => {
    const { read, advance, state } = reading()
    const { make } = state
    await read()
    advance(301)
    state.make = () => Promise.reject(new Error('down'))
    expect([await read(), await read(), state.failures]).toEqual(['1', '1', 1])
    advance(9)
    expect([await read(), state.failures]).toEqual(['1', 1])
    state.make = make
    advance(2)
    expect(await read()).toBe('2')
  })

  it('[G-23] serves on after a second where they hang, and takes what comes after all', async () => {
    const { read, advance, state } = reading()
    await read()
    advance(301)
    let come: (made: string) => void = () => {}
    state.make = () => new Promise((resolve) => (come = resolve))
    const first = read()
    await vi.advanceTimersByTimeAsync(1000)
    expect(await first).toBe('1')
    expect(await read()).toBe('1')
    come('new')
    await vi.advanceTimersByTimeAsync(0)
    expect(await read()).toBe('new')
  })

  it('[G-23] is nothing that a failure could spoil: without anything from before it is asked for again', async () => {
    const { read, state } = reading()
    const { make } = state
    state.make = () => Promise.reject(new Error('down'))
    await expect(read()).rejects.toThrow('down')
    state.make = make
    expect([await read(), state.failures]).toEqual(['1', 0])
  })
})
