import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import { beforeAll, expect, inject, it } from 'vitest'

/** Bytes, minified and brotli. */
const EAGER = 3900
/** Of both modes. */
const ALL = 15_000

/**
 * The length of each module of the page load, after bundling and before minifying, when it was last looked at: what grew
 * is named by comparison. Change them together with the code.
 */
const known: Record<string, number> = {
  'client/auth.js': 7065,
  'client/session/back-off.js': 399,
  'client/backend.js': 1454,
  'client/errors.js': 1008,
  'client/calls/fetch.js': 2085,
  'client/index.js': 557,
  'client/session/renewal.js': 2691,
  'client/session/snapshot.js': 900,
  'client/session/tabs.js': 360,
  'protocol/error.js': 380,
  'protocol/time.js': 120,
}

const folder = join(inject('packed').folder, 'size')

const brotli = (text: string) => brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length

beforeAll(() => {
  mkdirSync(folder)
  writeFileSync(
    join(folder, 'app.js'),
    "import { createAuth } from 'sallyport'\nconst auth = createAuth()\nauth.ready().then(() => auth.getToken()).then(console.log)",
  )
  // Vite's own code for loading chunks is not ours: an app that has one of its own carries it anyway.
  writeFileSync(join(folder, 'control.js'), "import('./empty.js').then(console.log)")
  writeFileSync(join(folder, 'empty.js'), 'export const nothing = 0')
})

async function weigh(entry: string, conditions?: string[]) {
  const { NODE_ENV } = process.env
  // As on a machine that builds: with another value Vite takes the development build of everything.
  process.env['NODE_ENV'] = 'production'
  const result = (await build({
    root: folder,
    configFile: false,
    logLevel: 'silent',
    ...(conditions && { resolve: { conditions } }),
    build: { write: false, target: 'es2022', rolldownOptions: { input: join(folder, entry), external: /^react/ } },
  })) as Rolldown.RolldownOutput
  process.env['NODE_ENV'] = NODE_ENV
  const chunks = result.output.filter((file) => file.type === 'chunk')
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]))
  const eager = new Set(chunks.filter((chunk) => chunk.isEntry))
  for (const chunk of eager) for (const name of chunk.imports) eager.add(byName.get(name) ?? chunk)
  const sum = (some: Iterable<{ code: string }>) => [...some].reduce((total, { code }) => total + brotli(code), 0)
  const modules = [...eager].flatMap((chunk) =>
    Object.entries(chunk.modules).map(
      ([id, { renderedLength }]) => [id.split('/dist/').at(-1) ?? id, renderedLength] as const,
    ),
  )
  return { eager: sum(eager), all: sum(chunks), modules, lazy: chunks.filter((chunk) => !eager.has(chunk)) }
}

it('a page load carries at most 3.9 kB of ours, and everything together is at most 15 kB', async () => {
  const app = await weigh('app.js')
  const control = await weigh('control.js')
  const eager = app.eager - control.eager
  const all = app.all - control.all
  const ours = app.modules.filter(([id]) => /^(client|protocol)\//.test(id))
  const grew = ours.flatMap(([id, length]) =>
    length > (known[id] ?? 0) ? [`${id}: ${known[id] ?? 'new'} → ${length}`] : [],
  )
  // What a dev server takes: nobody's page load, but it says what the checks would cost there.
  const development = await weigh('app.js', ['development', 'module', 'browser'])
  console.log(
    `Eager ${eager} bytes of ${EAGER} (development build ${development.eager - control.eager}), everything ${all} of ${ALL} (min + brotli).`,
  )
  const isChecks = ([id]: readonly [string, number]) =>
    /^(client\/(development|validation)|protocol\/(shape|validate))\.js$/.test(id)
  expect(app.modules.filter(isChecks)).toEqual([])
  expect(development.modules.filter(isChecks)).toHaveLength(4)
  const blame = ['What grew:', ...grew].join('\n')
  if (process.env['SHOW_SIZES']) console.log(JSON.stringify(Object.fromEntries(ours)))
  expect(eager, blame).toBeLessThanOrEqual(EAGER)
  expect(ours.length).toBeGreaterThan(8)
  expect(all, blame).toBeLessThanOrEqual(ALL)
  expect(
    app.modules.some(([id]) => id.includes('oidc')),
    'oidc-client-ts is loaded only when somebody signs in',
  ).toBe(false)
  expect(app.lazy.some(({ moduleIds }) => moduleIds.some((id) => id.includes('oidc-client-ts')))).toBe(true)
})

/** What an app writes to use an entry; the sizes in README are those of what it then ships. */
const entries: Record<string, string> = {
  sallyport: "import { createAuth } from 'sallyport'\ncreateAuth().ready().then(console.log)",
  'sallyport/countdown':
    "import { watchCountdown } from 'sallyport/countdown'\nwatchCountdown(window.auth, console.log)",
  'sallyport/react': "import * as react from 'sallyport/react'\nconsole.log(react)",
  'sallyport/browser-only':
    "import { createBrowserOnlyAuth } from 'sallyport/browser-only'\ncreateBrowserOnlyAuth(window.settings).ready().then(console.log)",
}

it('README says what each entry weighs', async () => {
  const control = await weigh('control.js')
  writeFileSync(join(folder, 'plain.js'), 'console.log(window.settings)')
  const plain = await weigh('plain.js')
  const weights = new Map<string, readonly number[]>()
  for (const [entry, code] of Object.entries(entries)) {
    writeFileSync(join(folder, 'entry.js'), code)
    const { eager, all, lazy } = await weigh('entry.js')
    const rest = lazy.length ? control : plain
    weights.set(entry, [eager - rest.eager, all - rest.all])
  }
  console.log(JSON.stringify(Object.fromEntries(weights)))
  const said = readFileSync('README.md', 'utf8')
  for (const [entry, weight] of weights) {
    const row = new RegExp(`\\| \`${entry}\` +\\| +([\\d,]+) \\| +([\\d,]+) \\|`).exec(said) ?? []
    weight.forEach((bytes, at) => {
      // A dependency's patch may move it a little; more than that is for the table to say.
      const off = Math.abs(Number(row[at + 1]?.replace(',', '')) - bytes)
      expect(off, `${entry} weighs ${weight}`).toBeLessThanOrEqual(bytes * 0.03)
    })
  }
  expect(weights.get('sallyport/react')?.[0]).toBeLessThan(1000)
})
