import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { toNodeListener } from 'sallyport/node'
import { mockAuthorizationServer, mockBrowser } from 'sallyport/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomKey } from './keys.js'

/** What stands in docs/recipes.md, each file under the name in its first line. */
const recipes = new Map(
  [...readFileSync('docs/recipes.md', 'utf8').matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)].map(
    ([, name = '', code = '']) => [name, code],
  ),
)
const folder = resolve('test-results/recipes')

const servers: Server[] = []
const children: ChildProcess[] = []
const open = async (server: Server): Promise<number> => {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
/** A port that nobody has at this moment. */
async function freePort(): Promise<number> {
  const server = createServer()
  const port = await open(server)
  server.close()
  return port
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  for (const [name, code] of recipes) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    // What is left of types in them.
    writeFileSync(join(folder, name), code.replaceAll('(request: Request)', '(request)'))
  }
  writeFileSync(
    join(folder, 'serve-hono-anywhere.js'),
    "import { serve } from '@hono/node-server'\nimport app from './with-hono-anywhere.js'\nserve({ fetch: app.fetch, port: Number(process.env.PORT) })\n",
  )
})
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

/** As a browser sends it: Node's own `fetch` would put Fetch Metadata of its own into it. */
async function overHttp(request: Request): Promise<Response> {
  const { url, method, headers } = request
  const asked = httpRequest(url, { method, headers: Object.fromEntries(headers) })
  asked.end(Buffer.from(await request.arrayBuffer()))
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const { statusCode = 0, rawHeaders } = answer
  const pairs = rawHeaders.flatMap((name, at) => (at % 2 ? [] : [[name, rawHeaders[at + 1] ?? '']]))
  const body = [204, 303, 304].includes(statusCode) ? null : await buffer(answer)
  return new Response(body, { status: statusCode, headers: pairs as [string, string][] })
}

/** The recipe in a process of its own, a provider and an API on loopback, and a browser before them. */
async function start(command: readonly string[]) {
  const port = await freePort()
  const app = `http://localhost:${port}`
  const client_secret = randomKey()
  const provider = createServer()
  const issuer = `http://127.0.0.1:${await open(provider)}`
  const as = await mockAuthorizationServer({
    issuer,
    clients: [{ client_id: 'notes', client_secret, redirect_uris: [`${app}/bff/callback`] }],
    users: [{ sub: 'alice', name: 'Alice Adams' }],
  })
  as.signIn('alice')
  provider.on('request', toNodeListener(as))
  const seen: { url?: string | undefined; authorization?: string | undefined; body: string }[] = []
  const api = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    seen.push({ url: request.url, authorization: request.headers.authorization, body })
    response.end('done')
  })
  const env = {
    PATH: process.env['PATH'],
    PORT: `${port}`,
    BASE_URL: app,
    ISSUER: issuer,
    CLIENT_SECRET: client_secret,
    COOKIE_KEY: randomKey(),
    API: `http://127.0.0.1:${await open(api)}/v1`,
    NEXT_TELEMETRY_DISABLED: '1',
  }
  const child = spawn(process.execPath, command, { cwd: folder, env: env as unknown as NodeJS.ProcessEnv })
  children.push(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
  const up = async () => (await fetch(`${app}/bff/health`).catch(() => undefined))?.status === 200
  const until = Date.now() + 60_000
  while (!(await up())) {
    if (child.exitCode !== null || Date.now() > until) throw new Error(`${command.join(' ')} does not answer:\n${said}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const origins = { [app]: overHttp, [issuer]: (request: Request) => as.fetch(request) }
  return { app, seen, child, tab: mockBrowser({ origins }).newTab(`${app}/`), said: () => said }
}

describe('docs/recipes.md', () => {
  it.each([
    ['Express', ['with-express.js']],
    ['Fastify', ['with-fastify.js']],
    ['Hono on Node', ['with-hono.js']],
    ['Hono anywhere', ['serve-hono-anywhere.js']],
    ['Next.js', [resolve('node_modules/next/dist/bin/next'), 'dev', '-H', 'localhost']],
  ] as const)(
    'signs in, calls an API and signs out in %s',
    async (name, command) => {
      if (name === 'Next.js') prepareNext()
      const { app, tab, seen, child, said } = await start(command)
      const csrf = { 'Sallyport-CSRF': '1' }
      expect((await tab.fetch(`${app}/bff/session`, { method: 'POST' })).status).toBe(403)
      const { url, response } = await tab.navigate(`${app}/bff/login?return_to=/notes`)
      expect(url, `${response.status} ${await response.text()}${said()}`).toBe(`${app}/notes`)
      const session = await tab.fetch(`${app}/bff/session`, { method: 'POST', headers: csrf })
      expect(await session.json()).toMatchObject({ user: { sub: 'alice' } })
      const body = JSON.stringify({ text: 'milk' })
      const headers = { ...csrf, 'Content-Type': 'application/json' }
      const called = await tab.fetch(`${app}/bff/api/notes/list?q=a%2Fb`, { method: 'PUT', headers, body })
      expect([called.status, await called.text()]).toEqual([200, 'done'])
      expect(seen).toEqual([
        { url: '/v1/list?q=a%2Fb', authorization: expect.stringMatching(/^Bearer /), body: '{"text":"milk"}' },
      ])
      if (name !== 'Next.js') {
        const hello = await tab.fetch(`${app}/hello`, { method: 'POST', headers, body: '{"name":"Zoë"}' })
        expect(await hello.json()).toEqual({ hello: 'Zoë' })
      }
      const logout = await tab.fetch(`${app}/bff/logout`, {
        method: 'POST',
        headers: csrf,
        body: new URLSearchParams(),
      })
      expect(logout.status).toBe(200)
      const after = await tab.fetch(`${app}/bff/session`, { method: 'POST', headers: csrf })
      expect(await after.json()).toMatchObject({ user: null })
      child.kill('SIGTERM')
      const [code] = (await once(child, 'exit')) as [number | null]
      if (said().includes('Error')) expect.fail(said())
      if (/Express|Fastify|on Node/.test(name)) expect(code).toBe(0)
    },
    120_000,
  )
})

/** The package as an app has it, and no configuration but where the root is. */
function prepareNext(): void {
  mkdirSync(join(folder, 'app'), { recursive: true })
  writeFileSync(
    join(folder, 'app/layout.js'),
    'export default ({ children }) => <html><body>{children}</body></html>\n',
  )
  writeFileSync(join(folder, 'app/page.js'), 'export default () => <p>Notes</p>\n')
}
