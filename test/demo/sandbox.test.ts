import { describe, expect, it } from 'vitest'
import { runIsolated } from '../../demo/server/agents/sandbox.js'

describe('code of an agent, in its sandbox', () => {
  it('runs, and says what it came to', async () => {
    expect(await runIsolated('[1, 2, 3].map((n) => n * n)')).toEqual({ ok: true, output: '[1,4,9]', cut: false })
    expect(await runIsolated('let a = 1')).toEqual({ ok: true, output: 'undefined', cut: false })
    expect(await runIsolated('nothing.here')).toEqual({
      ok: false,
      ended: 'error',
      message: "ReferenceError: 'nothing' is not defined",
    })
  })

  it.each(['while (true);', '({ toJSON() { for (;;); } })', 'for (;;) try { for (;;); } catch {}'])(
    'is ended by time: %s',
    async (code) => {
      expect(await runIsolated(code, { milliseconds: 200 })).toEqual({ ok: false, ended: 'time' })
    },
  )

  it('is ended by memory', async () => {
    const code = 'const all = []; for (;;) all.push({ all })'
    expect(await runIsolated(code, { milliseconds: 10_000, bytes: 4 * 1024 * 1024 })).toEqual({
      ok: false,
      ended: 'memory',
    })
  })

  it('is cut short where it says too much', async () => {
    expect(await runIsolated('"x".repeat(1_000_000)', { characters: 10 })).toEqual({
      ok: true,
      output: '"xxxxxxxxx',
      cut: true,
    })
  })

  it('finds nothing of the host', async () => {
    const names = ['process', 'require', 'fetch', 'module', 'Deno', 'WebAssembly', 'setTimeout', 'console', 'std', 'os']
    const code = `${JSON.stringify(names)}.filter((name) => typeof globalThis[name] !== 'undefined')`
    expect(await runIsolated(code)).toEqual({ ok: true, output: '[]', cut: false })
    const wayOut = '[].constructor.constructor("return typeof process")()'
    expect(await runIsolated(wayOut)).toEqual({ ok: true, output: '"undefined"', cut: false })
    expect(await runIsolated('import("node:fs").then(() => 1); 2')).toEqual({ ok: true, output: '2', cut: false })
  })
})
