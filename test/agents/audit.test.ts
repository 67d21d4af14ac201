import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import {
  type AgentEvent,
  type AuditCheckpoint,
  type AuditEntry,
  type AuditHead,
  type AuditOptions,
  type AuditRow,
  createAudit,
  verifyAudit,
  verifyCheckpoint,
} from 'sallyport/agents'
import { type Change, memoryStore, type RecordId, type RecordStore, StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { sha256 } from '../../src/crypto/hash.js'

const tenant = 'acme'
const entry: AuditEntry = { tenant, agent: 'bot', sub: 'alice', action: 'tool:db.update', decision: 'allowed' }

/** A trail in a store of its own; the clock stands still. */
function world(options: Partial<AuditOptions> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const store = memoryStore({ now })
  const events: AgentEvent[] = []
  const open = (more: Partial<AuditOptions> = {}) =>
    createAudit({ store, now, onEvent: (event) => events.push(event), ...options, ...more })
  const audit = open()
  return {
    audit,
    open,
    store,
    events,
    advance: (seconds: number) => {
      time += seconds
    },
    write: async (count: number, of: AuditEntry = entry) => {
      const heads: AuditHead[] = []
      for (let at = 0; at < count; at++) heads.push(await audit.append({ ...of, resource: `row/${at}` }))
      return heads
    },
  }
}

const linesOf = async (audit: Pick<ReturnType<typeof createAudit>, 'exportLines'>, of = tenant) => {
  const lines: string[] = []
  for await (const line of audit.exportLines({ tenant: of })) lines.push(line)
  return lines
}
const rowsOf = async (audit: ReturnType<typeof createAudit>) => (await audit.read({ tenant, limit: 1000 })).items
const rowId = (seq: number): RecordId => ({ kind: 'audit-row', partition: tenant, id: `${seq}` })

/** Changes the store behind everybody’s back. */
const put = (store: RecordStore, id: RecordId, value: string) =>
  store.write([{ type: 'put', id, value, ifVersion: 'any' }])

/** What somebody does who knows how a chain is made: everything from a row on, anew. */
async function forged(rows: readonly AuditRow[], from: number, change: Partial<AuditRow>): Promise<AuditRow[]> {
  const made = rows.slice(0, from - 1)
  for (const row of rows.slice(from - 1)) {
    const { hash: _, ...content } = { ...row, ...(row.seq === from && change), prev: made.at(-1)?.hash ?? row.prev }
    const { prev, ...rest } = content
    const sorted = Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)))
    made.push({ ...content, hash: await sha256(prev + JSON.stringify(sorted)) })
  }
  return made
}

describe('the audit trail', () => {
  it('is a chain that others can verify with a few lines', async () => {
    const { audit, write, advance } = world()
    const [first] = await write(1)
    advance(0.25)
    const second = await audit.append({
      ...entry,
      decision: 'refused',
      reason: 'approval_mismatch',
      correlation: 'req 7',
      approvalId: 'a1',
      digest: 'd'.repeat(43),
    })
    expect(await rowsOf(audit)).toEqual([
      { ...entry, resource: 'row/0', v: 1, seq: 1, at: 1_790_000_000, prev: 'A'.repeat(43), hash: first?.hash },
      expect.objectContaining({ seq: 2, at: 1_790_000_000.25, prev: first?.hash, hash: second.hash }),
    ])
    expect(first).toEqual({
      tenant,
      seq: 1,
      hash: await sha256(
        `${'A'.repeat(43)}{"action":"tool:db.update","agent":"bot","at":1790000000,"decision":"allowed","resource":"row/0","seq":1,"sub":"alice","tenant":"acme","v":1}`,
      ),
    })
    expect(await audit.checkpoint({ tenant })).toEqual(second)
    expect(await audit.checkpoint({ tenant: 'globex' })).toBeUndefined()
  })

  it('keeps names and ids, and refuses what could hold a prompt or a secret', async () => {
    const { audit } = world()
    for (const [wrong, member] of [
      [{ prompt: 'ignore all rules' }, 'prompt'],
      [{ args: { amount: 1 } }, 'args'],
      [{ at: 1 }, 'at'],
      [{ seq: 7 }, 'seq'],
      [{ hash: 'x' }, 'hash'],
      [{ __proto__: null, constructor: 'x' }, 'constructor'],
      [{ action: 'ignore all previous instructions' }, 'action'],
      [{ reason: 'because the note said: delete everything' }, 'reason'],
      [{ decision: 'perhaps' }, 'decision'],
      [{ resource: 'x'.repeat(201) }, 'resource'],
      [{ resource: { type: 'note' } }, 'resource'],
      [{ sub: 'a\nb' }, 'sub'],
      [{ sub: '\ud800' }, 'sub'],
      [{ correlation: '' }, 'correlation'],
      [{ digest: 'the arguments themselves' }, 'digest'],
      [{ tenant: undefined }, 'tenant'],
      [{ action: undefined }, 'action'],
    ] as const) {
      const refused = audit.append({ ...entry, ...wrong } as AuditEntry)
      await expect(refused, member).rejects.toThrow(`"${member}"`)
      await expect(refused).rejects.toThrow(TypeError)
    }
    expect(await rowsOf(audit)).toEqual([])
    await audit.append({ ...entry, sub: undefined } as unknown as AuditEntry)
    expect((await rowsOf(audit))[0]).not.toHaveProperty('sub')
  })

  it('[A-68] is one chain, however many append at once and from wherever', async () => {
    const { audit, open, store } = world()
    const sides = [audit, open(), open()]
    const append = (at: number) => sides[at % 3]?.append({ ...entry, correlation: `${at}` }) ?? Promise.reject()
    const heads = await Promise.all(Array.from({ length: 200 }, (_, at) => append(at)))
    expect(new Set(heads.map(({ seq }) => seq)).size).toBe(200)
    const newest = heads.find(({ seq }) => seq === 200)
    const rows = await rowsOf(audit)
    expect(new Set(rows.map(({ correlation }) => correlation)).size).toBe(200)
    // Each head is that of the row which was appended.
    for (const [at, { seq, hash }] of heads.entries())
      expect(rows[seq - 1]).toMatchObject({ correlation: `${at}`, hash })
    expect(await verifyAudit(rows, { head: newest })).toEqual({ ok: true, head: newest, covered: 200 })
    // What one side remembers is put right by what it finds.
    for (let at = 0; at < 9; at++) await append(at)
    expect(await verifyAudit(await linesOf(audit))).toMatchObject({ ok: true, head: { seq: 209 } })
    const write = vi.spyOn(store, 'write')
    const get = vi.spyOn(store, 'get')
    await sides[2]?.append(entry)
    // The head, and the last row of its own: both at once.
    expect([get.mock.calls.length, write.mock.calls.length]).toEqual([2, 1])
  })

  it('is one for each tenant', async () => {
    const { audit } = world()
    for (let at = 0; at < 3; at++) for (const of of ['acme', 'globex']) await audit.append({ ...entry, tenant: of })
    for (const of of ['acme', 'globex'])
      expect(await verifyAudit(audit.exportLines({ tenant: of }))).toMatchObject({
        ok: true,
        head: { tenant: of, seq: 3 },
      })
    const [, second = ''] = await linesOf(audit, 'globex')
    const [first = '', , third = ''] = await linesOf(audit, 'acme')
    expect(await verifyAudit([first, second, third])).toEqual({ ok: false, fault: 'foreign', seq: 2 })
    expect(
      await verifyAudit(audit.exportLines({ tenant: 'acme' }), { head: await audit.checkpoint({ tenant: 'globex' }) }),
    ).toMatchObject({
      fault: 'foreign',
    })
  })

  it('is read and exported a page at a time', async () => {
    const { audit, write } = world()
    await write(250)
    const { items: rows, cursor: next } = await audit.read({ tenant, from: 101 })
    expect([rows.at(0)?.seq, rows.at(-1)?.seq, next]).toEqual([101, 200, '201'])
    expect(await audit.read({ tenant, from: 249, limit: 5 })).toMatchObject({ items: [{ seq: 249 }, { seq: 250 }] })
    expect(await audit.read({ tenant, from: 300 })).toEqual({ items: [] })
    expect(await audit.read({ tenant: 'globex' })).toEqual({ items: [] })
    const lines = await linesOf(audit)
    expect(lines).toHaveLength(250)
    expect(lines.every((line) => line.endsWith('}\n'))).toBe(true)
    // As out of a file.
    const file = createInterface({ input: Readable.from(audit.exportLines({ tenant })) })
    expect(await verifyAudit(file)).toMatchObject({ ok: true, head: { seq: 250 } })
    await expect(audit.read({ tenant, from: 0 })).rejects.toThrow('"from"')
    await expect(audit.read({ tenant, limit: 0 })).rejects.toThrow('"limit"')
  })

  it('rejects where it cannot be written: who needs a row does not go on', async () => {
    const { audit, store, open, write } = world()
    const heads = await write(2)
    for (const method of ['write', 'get'] as const) {
      const spy = vi.spyOn(store, method).mockRejectedValue(new StoreError())
      const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => open().append(entry)))
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: expect.any(StoreError) })
      spy.mockRestore()
    }
    const spy = vi.spyOn(store, 'write').mockRejectedValueOnce(new StoreError())
    const [failed, ...others] = await Promise.allSettled([1, 2, 3].map(() => audit.append(entry)))
    expect(failed?.status).toBe('rejected')
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    spy.mockRestore()
    expect(await verifyAudit(audit.exportLines({ tenant }), { head: heads.at(-1) })).toMatchObject({
      ok: true,
      head: { seq: 4 },
    })
  })

  it('goes on behind a row that was written although the store said it cannot say', async () => {
    const { audit, store } = world()
    await audit.append(entry)
    const write = store.write.bind(store)
    vi.spyOn(store, 'write').mockImplementationOnce(async (changes) => {
      await write(changes)
      throw new StoreError()
    })
    await expect(audit.append(entry)).rejects.toThrow(StoreError)
    expect((await audit.append(entry)).seq).toBe(3)
    expect(await verifyAudit(audit.exportLines({ tenant }))).toMatchObject({ ok: true })
  })

  it('gives up when it is always overtaken', async () => {
    vi.useFakeTimers()
    try {
      const { audit, store, events } = world()
      await audit.append(entry)
      vi.spyOn(store, 'write').mockResolvedValue(false)
      const outcome = expect(audit.append(entry)).rejects.toMatchObject({ code: 'audit_conflict', retryable: true })
      await vi.runAllTimersAsync()
      await outcome
      expect(events).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a trail whose store has lost rows', () => {
  /** A store that can be put back to an earlier state, as a failover or a backup does. */
  function restorable() {
    const history: Change[][] = []
    let present = memoryStore()
    const store: RecordStore = {
      get: (id) => present.get(id),
      list: (index, value, page) => present.list(index, value, page),
      consume: (id, ttl) => present.consume(id, ttl),
      async write(changes) {
        const done = await present.write(changes)
        if (done) history.push([...changes])
        return done
      },
    }
    return {
      store,
      /** As it was before the last so many writes. */
      async lose(count: number) {
        present = memoryStore()
        const kept = history.slice(0, history.length - count)
        history.length = 0
        for (const changes of kept) await store.write(changes)
      },
    }
  }

  it('[G-20] says so in an event and in a row, and goes on for every process', async () => {
    const { store, lose } = restorable()
    const kept: AuditCheckpoint[] = []
    const { audit, open, events, write } = world({ store, keep: (one) => void kept.push(one) })
    const sides = [audit, open(), open()]
    const heads = await write(10)
    await sides[1]?.append(entry)
    await lose(4)
    // Who has written none of what was lost cannot miss it.
    expect(await sides[2]?.append(entry)).toMatchObject({ seq: 8 })
    for (let at = 0; at < 30; at++) await sides[at % 3]?.append({ ...entry, resource: `after/${at}` })
    const rows = await rowsOf(audit)
    expect(rows.filter(({ resource }) => resource?.startsWith('after/'))).toHaveLength(30)
    const said = rows.filter(({ action }) => action === 'audit.resumed')
    expect(said.map(({ reason, resource, digest }) => [reason, resource, digest])).toEqual([
      ['rows_lost', 'row:10', heads[9]?.hash],
      ['rows_lost', 'row:11', expect.any(String)],
    ])
    expect(events).toEqual([
      { type: 'audit_head_unexpected', tenant, seq: 8, expected: 10 },
      { type: 'audit_head_unexpected', tenant, seq: 10, expected: 11 },
    ])
    // The chain is one, says where it was cut, and is another one than what was kept before.
    expect(await verifyAudit(rows)).toMatchObject({ ok: true, resumed: said.map(({ seq }) => seq) })
    expect(await verifyAudit(rows, { head: heads[6] })).toMatchObject({ ok: true })
    expect(await verifyAudit(rows, { head: heads[9] })).toEqual({ ok: false, fault: 'rewritten', seq: 10 })
    expect(kept.map(({ seq }) => seq)).toEqual([10, 12])
    for (const head of kept) expect((await verifyAudit(rows, { head })).ok).toBe(true)
  })

  it('[G-20] whatever is lost, by whom and when: no row that was acknowledged after it vanishes', async () => {
    const step = fc.oneof(fc.record({ side: fc.nat(2) }), fc.record({ lost: fc.integer({ min: 1, max: 5 }) }))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const { store, lose } = restorable()
        const { audit, open, events } = world({ store })
        const sides = [audit, open(), open()]
        let since: string[] = []
        for (const [at, one] of steps.entries()) {
          if ('lost' in one) {
            await lose(Math.min(one.lost, (await audit.checkpoint({ tenant }))?.seq ?? 0, 1 + since.length))
            since = []
          } else {
            await sides[one.side]?.append({ ...entry, correlation: `${at}` })
            since.push(`${at}`)
          }
        }
        const rows = await rowsOf(audit)
        const there = rows.flatMap(({ correlation = [] }) => correlation)
        expect(there).toEqual(expect.arrayContaining(since))
        const result = await verifyAudit(rows)
        expect(result.ok).toBe(true)
        expect(rows.length).toBe((await audit.checkpoint({ tenant }))?.seq ?? 0)
        expect(events.length).toBeGreaterThanOrEqual(rows.filter(({ action }) => action === 'audit.resumed').length)
      }),
      { numRuns: 50 },
    )
  })

  it('[G-20 twin] is told from one that others have written to', async () => {
    const { audit, open, events, write } = world()
    const sides = [audit, open(), open()]
    await write(3)
    for (let at = 0; at < 30; at++) await sides[at % 3]?.append(entry)
    await Promise.all(Array.from({ length: 60 }, (_, at) => sides[at % 3]?.append(entry)))
    const result = await verifyAudit(await rowsOf(audit))
    expect(result).toMatchObject({ ok: true, head: { seq: 93 } })
    expect([result, events]).toEqual([expect.not.objectContaining({ resumed: expect.anything() }), []])
  })

  it('[G-20] goes on behind rows that its head does not know, and says so', async () => {
    const { audit, open, store, events, write } = world()
    const [first] = await write(3)
    await put(store, { kind: 'audit-head', partition: tenant, id: 'head' }, JSON.stringify(first))
    const head = await open().append(entry)
    expect(head.seq).toBe(5)
    expect((await rowsOf(audit)).map(({ action, reason }) => reason ?? action)).toEqual([
      ...Array(3).fill(entry.action),
      'rows_found',
      entry.action,
    ])
    expect(await verifyAudit(audit.exportLines({ tenant }), { head })).toMatchObject({ ok: true, resumed: [4] })
    expect(events).toEqual([{ type: 'audit_head_unexpected', tenant, seq: 1, expected: 3 }])
    await expect(audit.append({ ...entry, action: 'audit.resumed' })).rejects.toThrow('"action"')
  })
})

describe('verifyAudit', () => {
  it('[A-68][A-68 twin] finds whatever is edited, moved, taken out or cut below a kept head', async () => {
    const { audit, write } = world()
    const heads = await write(12)
    const head = heads[9] as AuditHead
    const rows = await rowsOf(audit)
    const lines = await linesOf(audit)
    const untouched = { ok: true, head: heads.at(-1), covered: 10, uncovered: { from: 11, to: 12 } }
    expect(await verifyAudit(rows, { head })).toEqual(untouched)
    expect(await verifyAudit(lines, { head })).toEqual(untouched)
    const place = fc.integer({ min: 0, max: 9 })
    await fc.assert(
      fc.asyncProperty(place, fc.constantFrom(...Object.keys(rows[0] ?? {})), fc.string(), async (at, member, text) => {
        const changed = rows.with(at, { ...rows[at], [member]: text } as AuditRow)
        if (rows[at]?.[member as 'sub'] !== text) expect((await verifyAudit(changed, { head })).ok).toBe(false)
      }),
    )
    await fc.assert(
      fc.asyncProperty(place, fc.nat(), fc.integer({ min: 0x20, max: 0x7e }), async (at, where, character) => {
        const line = lines[at] ?? ''
        const spot = where % (line.length - 1)
        const changed = line.slice(0, spot) + String.fromCharCode(character) + line.slice(spot + 1)
        expect((await verifyAudit(lines.with(at, changed), { head })).ok).toBe(changed === line)
      }),
      { numRuns: 300 },
    )
    await fc.assert(
      fc.asyncProperty(place, place, async (a, b) => {
        const swapped = rows.with(a, rows[b] as AuditRow).with(b, rows[a] as AuditRow)
        expect((await verifyAudit(swapped, { head })).ok).toBe(a === b)
      }),
    )
    for (let at = 0; at < 10; at++) {
      expect(await verifyAudit(rows.toSpliced(at, 1), { head })).toEqual({ ok: false, fault: 'missing', seq: at + 1 })
      expect(await verifyAudit(rows.slice(0, at), { head })).toEqual({ ok: false, fault: 'cut', seq: at + 1 })
      expect(await verifyAudit(rows.toSpliced(at, 0, rows[at] as AuditRow), { head })).toMatchObject({
        fault: 'repeated',
      })
    }
  })

  it('[A-68] finds a chain that was written anew, and says at which row', async () => {
    const { audit, write } = world()
    const heads = await write(12)
    const rows = await rowsOf(audit)
    for (let from = 1; from <= 12; from++) {
      const anew = await forged(rows, from, { decision: 'refused' })
      expect(await verifyAudit(anew)).toMatchObject({ ok: true, uncovered: { from: 1, to: 12 } })
      // Above the head nothing vouches, and the result says so.
      expect(await verifyAudit(anew, { head: heads[9] })).toEqual(
        from <= 10
          ? { ok: false, fault: 'rewritten', seq: 10 }
          : { ok: true, head: expect.anything(), covered: 10, uncovered: { from: 11, to: 12 } },
      )
      expect((await verifyAudit(anew, { head: heads.at(-1) })).ok).toBe(false)
    }
    // One row alone, with a hash that fits it.
    const alone = (await forged(rows.slice(0, 5), 5, { decision: 'refused' })).concat(rows.slice(5))
    expect(await verifyAudit(alone)).toEqual({ ok: false, fault: 'unlinked', seq: 6 })
    expect(await verifyAudit(rows.with(4, { ...rows[4], decision: 'refused' } as AuditRow))).toEqual({
      ok: false,
      fault: 'edited',
      seq: 5,
    })
  })

  it('[A-68] finds what was done in the store itself', async () => {
    const { audit, write, store } = world()
    const head = (await write(5)).at(-1)
    const lines = await linesOf(audit)
    const result = () => verifyAudit(audit.exportLines({ tenant }), { head })
    expect((await result()).ok).toBe(true)
    await put(store, rowId(3), (lines[2] ?? '').replace('allowed', 'refused').trim())
    expect(await result()).toEqual({ ok: false, fault: 'edited', seq: 3 })
    await store.write([{ type: 'delete', id: rowId(3), ifVersion: 'any' }])
    expect(await result()).toEqual({ ok: false, fault: 'missing', seq: 3 })
    await put(store, rowId(3), (lines[2] ?? '').trim().replace('{', '{"decision":"refused",'))
    expect(await result()).toEqual({ ok: false, fault: 'malformed', seq: 3 })
    await put(store, rowId(3), (lines[2] ?? '').trim())
    expect((await result()).ok).toBe(true)
    // The tail, and the head with it.
    for (const seq of [4, 5]) await store.write([{ type: 'delete', id: rowId(seq), ifVersion: 'any' }])
    const { hash } = JSON.parse(lines[2] ?? '')
    await put(store, { kind: 'audit-head', partition: tenant, id: 'head' }, JSON.stringify({ tenant, seq: 3, hash }))
    expect(await verifyAudit(audit.exportLines({ tenant }))).toMatchObject({ ok: true, head: { seq: 3 } })
    expect(await result()).toEqual({ ok: false, fault: 'cut', seq: 4 })
  })

  it('goes on from where it was verified before', async () => {
    const { audit, write } = world()
    const heads = await write(20)
    const rest = (await rowsOf(audit)).slice(10)
    const after = heads[9] as AuditHead
    expect(await verifyAudit(rest, { head: heads[14], after })).toEqual({
      ok: true,
      head: heads[19],
      covered: 15,
      uncovered: { from: 16, to: 20 },
    })
    expect(await verifyAudit(rest, { head: after, after })).toMatchObject({ ok: true, covered: 10 })
    expect(await verifyAudit(rest, { head: heads[14], after: heads[8] as AuditHead })).toMatchObject({
      fault: 'missing',
    })
    expect(await verifyAudit(rest, { head: heads[14], after: { ...after, hash: 'B'.repeat(43) } })).toMatchObject({
      fault: 'unlinked',
    })
    expect(await verifyAudit(rest, { head: { ...after, hash: 'B'.repeat(43) }, after })).toMatchObject({
      fault: 'rewritten',
    })
  })

  it('has a word for whatever it is given', async () => {
    expect(await verifyAudit([])).toEqual({ ok: true, head: undefined, covered: 0 })
    for (const odd of ['', 'x', '[]', 'null', null, 7, {}, { seq: 1 }, '{"__proto__":1}', '['.repeat(1000)])
      expect(await verifyAudit([odd]), `${odd}`).toEqual({ ok: false, fault: 'malformed', seq: 1 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.anything()), async (rows) => {
        expect((await verifyAudit(rows)).ok).toBe(rows.length === 0)
      }),
    )
  })
})

describe('checkpoints', () => {
  const keyOf = async (alg: 'ES256' | 'EdDSA') => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true })
    return JSON.stringify(await exportJWK(privateKey))
  }

  it.each(['ES256', 'EdDSA'] as const)('are signed with %s and vouch for what they name', async (alg) => {
    const kept: AuditCheckpoint[] = []
    const key = await keyOf(alg)
    const { audit, write, open } = world({ sign: key, checkpointEvery: 10, keep: (one) => void kept.push(one) })
    await write(15)
    await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? audit : open()).append(entry)))
    expect(kept.map(({ seq }) => seq).sort()).toEqual([10, 20, 30])
    const newest = kept.find(({ seq }) => seq === 30)
    const head = await verifyCheckpoint(newest?.jws ?? '', await audit.publicKeys())
    expect(head).toEqual({ tenant, seq: 30, hash: newest?.hash })
    expect(await verifyAudit(audit.exportLines({ tenant }), { head })).toMatchObject({
      covered: 30,
      uncovered: { from: 31, to: 35 },
    })
    const now = await audit.checkpoint({ tenant })
    expect((await verifyCheckpoint(now?.jws ?? '', await audit.publicKeys())).seq).toBe(35)
    expect(JSON.stringify(await audit.publicKeys())).not.toContain('"d"')
    // Another process, the same key from a secret manager.
    expect(await open({ sign: async () => key }).publicKeys()).toEqual(await audit.publicKeys())
  })

  it('of other keys, and other tokens of the same key, are refused', async () => {
    const { audit, write } = world({ sign: await keyOf('ES256') })
    await write(1)
    const { jws = '' } = (await audit.checkpoint({ tenant })) ?? {}
    const others = await world({ sign: await keyOf('ES256') }).audit.publicKeys()
    const keys = await audit.publicKeys()
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const own = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] }
    const token = (typ: string, claims: Record<string, unknown>) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ }).sign(privateKey)
    const good = { tenant, seq: 1, hash: 'h' }
    for (const [text, against] of [
      [jws, others],
      [jws, { keys: [] }],
      ['', keys],
      [`${jws.slice(0, -4)}AAAA`, keys],
      [await token('at+jwt', good), own],
      [await token('audit-checkpoint+jwt', { ...good, seq: '1' }), own],
      [await token('audit-checkpoint+jwt', { ...good, tenant: undefined }), own],
    ] as const)
      await expect(verifyCheckpoint(text, against)).rejects.toMatchObject({ code: 'checkpoint_invalid' })
    expect(await verifyCheckpoint(await token('audit-checkpoint+jwt', good), own)).toEqual(good)
    expect(await verifyCheckpoint(jws, { keys: [...others.keys, ...keys.keys] })).toMatchObject({ seq: 1 })
  })

  it('that cannot be kept or signed are told of, and lose no row', async () => {
    for (const options of [
      { keep: () => Promise.reject(new Error('full')) },
      { keep: () => {}, sign: () => Promise.reject(new Error('no key')) },
    ]) {
      const { audit, write, events } = world({ ...options, checkpointEvery: 2 })
      await write(3)
      expect(events).toEqual([{ type: 'checkpoint_failed', tenant, seq: 2 }])
      expect(await rowsOf(audit)).toHaveLength(3)
    }
  })

  it('are made with what fits, or not at all', async () => {
    const store = memoryStore()
    const rsa = JSON.stringify(await exportJWK((await generateKeyPair('RS256', { extractable: true })).privateKey))
    const open = JSON.stringify(await exportJWK((await generateKeyPair('ES256')).publicKey))
    for (const sign of ['', 'text', rsa, open]) expect(() => createAudit({ store, sign })).toThrow('"sign"')
    await expect(createAudit({ store, sign: async () => 'text' }).publicKeys()).rejects.toThrow('"sign"')
    expect(() => createAudit({} as AuditOptions)).toThrow('"store"')
    for (const checkpointEvery of [0, 1.5, Number.NaN])
      expect(() => createAudit({ store, checkpointEvery })).toThrow('"checkpointEvery"')
    expect(await createAudit({ store }).publicKeys()).toEqual({ keys: [] })
  })
})
