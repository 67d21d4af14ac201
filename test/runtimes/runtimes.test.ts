import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { toNodeListener } from 'sallyport/node'
import { mockAuthorizationServer } from 'sallyport/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomKey } from '../keys.js'
import { bundle } from './bundle.js'
import type { Outcome } from './entry.js'
import { ensureRuntimes, type Program } from './programs.js'

/** The parts of a report of vitest that are read here. */
interface Report {
  numPassedTests: number
  testResults: Array<{ assertionResults: Array<{ status: string; fullName: string; failureMessages: string[] }> }>
}

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'sallyport-runtimes-'))
const paths = ensureRuntimes()
let server: Server
let handler: (request: Request) => Response | Promise<Response>

beforeAll(async () => {
  server = createServer(toNodeListener({ fetch: (request) => Promise.resolve(handler(request)) }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = { client_id: 'notes', client_secret: randomKey() }
  const as = await mockAuthorizationServer({
    issuer,
    clients: [{ ...client, redirect_uris: ['https://app.example.com/bff/callback'] }],
    users: [{ sub: 'alice' }],
  })
  as.signIn('alice')
  handler = (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === '/api/token') return new Response(request.headers.get('authorization'))
    if (pathname === '/api/closed') server.closeAllConnections()
    return as.fetch(request)
  }
  await bundle(folder)
  writeFileSync(join(folder, 'provider.mjs'), `export const provider = ${JSON.stringify({ issuer, ...client })}`)
  writeFileSync(join(folder, 'main.mjs'), main)
  writeFileSync(join(folder, 'worker.mjs'), worker)
  writeFileSync(join(folder, 'config.capnp'), config)
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true })
})

const main = `
import { run } from './tests.mjs'
import { provider } from './provider.mjs'
console.log('OUTCOME ' + JSON.stringify(await run(provider)))
`
const worker = `
import { run } from './tests.mjs'
import { provider } from './provider.mjs'
export default { async test() { console.log('OUTCOME ' + JSON.stringify(await run(provider))) } }
`
/** Without \`nodejs_compat\`: what is there is what the platform has by itself. */
const config = `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = .tests),
  (name = "internet", network = (allow = ["public", "private"])),
]);
const tests :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.mjs"),
    (name = "tests.mjs", esModule = embed "tests.mjs"),
    (name = "provider.mjs", esModule = embed "provider.mjs"),
  ],
  compatibilityDate = "2026-11-01",
);
`

const programs: Array<[Exclude<Program, 'node24'>, string[], RegExp]> = [
  ['bun', ['main.mjs'], /^Bun\/1/],
  ['deno', ['run', '--allow-all', '--no-config', 'main.mjs'], /^Deno\/2/],
  ['workerd', ['test', 'config.capnp'], /^Cloudflare-Workers/],
]

describe('the handler’s own tests', () => {
  it.each(programs)('pass in %s', async (program, args, userAgent) => {
    const options = { cwd: folder, maxBuffer: 2 ** 26, timeout: 240_000 }
    const { stdout, stderr } = await run(paths[program], args, options).catch((error) => error)
    const line = `${stdout}\n${stderr}`.split('\n').find((text) => text.startsWith('OUTCOME '))
    if (!line) throw new Error(`${program} said nothing of an outcome:\n${`${stdout}${stderr}`.slice(-4000)}`)
    const outcome = JSON.parse(line.slice(8)) as Outcome
    console.log(`${outcome.userAgent}: ${outcome.passed} tests passed, ${outcome.failed.length} failed`)
    expect(outcome.userAgent).toMatch(userAgent)
    expect(outcome.failed).toEqual([])
    expect(outcome.passed).toBeGreaterThan(700)
  })

  it('pass in Node 24, with those that need servers of Node', async () => {
    const report = join(folder, 'node24.json')
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', 'test/bff', 'test/node']
    const options = { maxBuffer: 2 ** 26, timeout: 280_000, env: { ...process.env, FULL: '' } }
    const ended = await run(paths.node24, [...args, '--reporter=json', `--outputFile=${report}`], options).catch(
      (error) => error,
    )
    if (!existsSync(report)) throw new Error(`${ended.stdout}\n${ended.stderr}`.slice(-4000))
    const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
    console.log(`${(await run(paths.node24, ['--version'])).stdout.trim()}: ${numPassedTests} tests passed`)
    const failed = testResults.flatMap(({ assertionResults }) =>
      assertionResults.filter(({ status }) => status === 'failed'),
    )
    expect(failed.map(({ fullName, failureMessages }) => [fullName, ...failureMessages])).toEqual([])
    expect(numPassedTests).toBeGreaterThan(800)
  })
})
