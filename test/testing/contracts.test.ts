import { memoryLedger, memoryStore } from 'sallyport/store'
import { ledgerContract, recordStoreContract, type StoreContractCase } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import { brokenLedgers } from './broken-ledgers.js'
import { brokenStores } from './broken-stores.js'

/** The cases over an engine that follows a clock. */
function casesOf<Engine>(
  contract: (
    open: () => Engine,
    options: { wait(seconds: number): void; turnBack(seconds: number): void },
  ) => StoreContractCase[],
  make: (now: () => number) => Engine,
): StoreContractCase[] {
  let time = 1_790_000_000
  const engine = make(() => time)
  const move = (seconds: number) => {
    time += seconds
  }
  return contract(() => engine, { wait: move, turnBack: (seconds) => move(-seconds) })
}

/** What a case comes to; whoever waits for ever has failed. */
const outcomeOf = ({ run }: StoreContractCase): Promise<'ok' | 'failed'> =>
  Promise.race([
    run().then(
      () => 'ok' as const,
      () => 'failed' as const,
    ),
    new Promise<'failed'>((resolve) => setTimeout(resolve, 3000, 'failed')),
  ])

const contracts = [
  ['record stores', recordStoreContract, brokenStores, (now: () => number) => memoryStore({ now })],
  ['ledgers', ledgerContract, brokenLedgers, (now: () => number) => memoryLedger({ now })],
] as const

for (const [name, contract, broken, sound] of contracts)
  describe(`the contract of ${name}`, () => {
    const of = (make: never) => casesOf(contract as never, make)

    it.each(Object.entries(broken))('[K-20] finds that %s', async (_, [make, ...expected]) => {
      for (const name of expected) {
        const found = of(make as never).find((one) => one.name === name)
        expect(`${name}: ${found ? await outcomeOf(found) : 'there is none'}`).toBe(`${name}: failed`)
      }
    })

    it('[K-20] has no case that finds nothing', async () => {
      const finding = new Set(Object.values(broken).flatMap(([, ...cases]) => cases))
      const cases = of(sound as never)
      expect(cases.filter((one) => !finding.has(one.name)).map((one) => one.name)).toEqual([])
      for (const one of cases) expect(`${one.name}: ${await outcomeOf(one)}`).toBe(`${one.name}: ok`)
    })
  })
