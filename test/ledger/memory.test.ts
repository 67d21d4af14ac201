import { memoryLedger } from 'sallyport/store'
import { describe, expect, it } from 'vitest'

describe('budgets in memory', () => {
  it('remember of holds that are over the last 50,000 at least, and not all that there ever were', async () => {
    const time = 1_790_000_000
    const ledger = memoryLedger({ now: () => time })
    const lines = [{ subject: 'user:alice', window: 'total' }] as const
    const hold = (id: number) => ({ tenant: 'acme', id: `${id}`, lines, amount: 1 })
    for (let id = 0; id < 150_000; id++) {
      await ledger.reserve({ ...hold(id), ttl: 60 })
      await ledger.settle(hold(id), 1)
    }
    expect(await ledger.settle(hold(149_999), 5)).toEqual({ overrun: 0 })
    expect(await ledger.settle(hold(100_001), 5)).toEqual({ overrun: 0 })
    expect(await ledger.read(lines[0], { tenant: 'acme' })).toMatchObject({ committed: 150_000, held: 0 })
    await expect(ledger.settle(hold(0), 5)).rejects.toMatchObject({ code: 'hold_unknown' })
  })

  it('know a hold for a week after its end', async () => {
    let time = 1_790_000_000
    const ledger = memoryLedger({ now: () => time })
    const lines = [{ subject: 'user:alice', window: 'total', limit: 10 }] as const
    const hold = { tenant: 'acme', id: 'one', lines, amount: 10 }
    await ledger.reserve({ ...hold, ttl: 60 })
    time += 60 + 7 * 86_400 - 1
    expect(await ledger.start(hold)).toBe(false)
    time += 1
    await expect(ledger.start(hold)).rejects.toMatchObject({ code: 'hold_unknown' })
  })

  it('know for a day what was settled, however late that was', async () => {
    let time = 1_790_000_000
    const ledger = memoryLedger({ now: () => time })
    const lines = [{ subject: 'user:alice', window: 'total', limit: 10 }] as const
    const hold = { tenant: 'acme', id: 'one', lines, amount: 10 }
    await ledger.reserve({ ...hold, ttl: 60 })
    time += 5 * 86_400
    expect(await ledger.settle(hold, 25)).toEqual({ overrun: 15 })
    time += 86_400 - 1
    expect(await ledger.settle(hold, 25)).toEqual({ overrun: 15 })
    expect(await ledger.read(lines[0], { tenant: 'acme' })).toMatchObject({ committed: 25, held: 0 })
    time += 1
    await expect(ledger.settle(hold, 25)).rejects.toMatchObject({ code: 'hold_unknown' })
  })
})
