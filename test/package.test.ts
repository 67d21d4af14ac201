import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { publint } from 'publint'
import { build, createServer, type Rolldown } from 'vite'
import { describe, expect, inject, it } from 'vitest'

/** What each subpath exports at run time. The surface grows on purpose: here first. */
const exported: Record<string, readonly string[]> = {
  sallyport: ['SallyportError', 'createAuth', 'isSallyportError', 'requireAuth'],
  'sallyport/countdown': ['watchCountdown'],
  'sallyport/browser-only': ['SallyportError', 'createBrowserOnlyAuth', 'isSallyportError'],
  'sallyport/react': ['AuthProvider', 'RequireAuth', 'useAuth', 'useUser'],
  'sallyport/bff': ['createBff', 'isSallyportError', 'sessionCookie', 'withPeer'],
  'sallyport/bff/opentelemetry': ['openTelemetry'],
  'sallyport/guard': ['accessToken', 'clientCertificate', 'createGuard', 'peerOf', 'withPeer'],
  'sallyport/machine': ['createMachineClient', 'isSallyportError'],
  'sallyport/tokens': ['createTokenIssuer', 'isSallyportError'],
  'sallyport/keys': ['apiKey', 'createApiKeys', 'isSallyportError', 'parseApiKey'],
  'sallyport/agents': [
    'agentAnswer',
    'agentToken',
    'budgetLines',
    'createAgentPlatform',
    'createAgents',
    'createApprovals',
    'createAudit',
    'createPeerCheck',
    'createStatusCheck',
    'createTokenEndpoint',
    'createToolAccess',
    'defaultRoles',
    'digestOf',
    'isSallyportError',
    'parseArguments',
    'scenarios',
    'signRequest',
    'tenantOf',
    'verifyAudit',
    'verifyCheckpoint',
    'withBudget',
  ],
  'sallyport/key-ring': ['createKeyRing', 'environmentVault', 'isSallyportError'],
  'sallyport/node': [
    'attachUpgrade',
    'fileVault',
    'isSallyportError',
    'mutualTls',
    'principalOf',
    'toExpress',
    'toExpressGuard',
    'toFastifyGuard',
    'toNodeListener',
  ],
  'sallyport/hono': ['toHonoGuard'],
  'sallyport/store': ['StoreError', 'isSallyportError', 'memoryLedger', 'memoryStore'],
  'sallyport/store/redis': ['isSallyportError', 'redisLedger', 'redisStore'],
  'sallyport/store/postgres': ['isSallyportError', 'postgresLedger', 'postgresStore'],
  'sallyport/testing': [
    'generateKeys',
    'ledgerContract',
    'mockAuthorizationServer',
    'mockBrowser',
    'recordStoreContract',
  ],
  'sallyport/testing/auth': ['createTestAuth'],
}

const { folder, tarball, contents } = inject('packed')

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: '' },
  })
/** Runs a module there; what it said, or the error that it ended with. */
function outcomeOf(code: string, NODE_ENV = ''): string {
  const env = { ...process.env, NODE_ENV }
  try {
    return execFileSync('node', ['--input-type=module', '-e', code], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    })
  } catch (error) {
    return `${(error as { stderr: string }).stderr}`
  }
}

/** What Vite makes of an app's module for production: the entry first. */
async function bundled(code: string) {
  const { NODE_ENV } = process.env
  // As where an app is built: the test runner's own word would be kept.
  process.env['NODE_ENV'] = 'production'
  writeFileSync(join(folder, 'app.js'), code)
  const { output } = (await build({
    root: folder,
    configFile: false,
    logLevel: 'silent',
    build: { write: false, target: 'es2022', minify: false, rolldownOptions: { input: join(folder, 'app.js') } },
  })) as Rolldown.RolldownOutput
  process.env['NODE_ENV'] = NODE_ENV
  const chunks = output.filter((file) => file.type === 'chunk')
  return chunks.sort((a, b) => Number(b.isEntry) - Number(a.isEntry))
}

const npx = (name: string, ...args: string[]) => run(resolve('node_modules/.bin', name), ...args)

describe('the packed package', () => {
  it('holds what is shipped and nothing else', () => {
    expect(contents.filter((path) => !/^dist\/[\w/-]+\.(js|d\.ts)$/.test(path)).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'package.json',
    ])
    for (const { default: file, development } of Object.values<{ default?: string; development?: string }>(
      JSON.parse(readFileSync('package.json', 'utf8')).exports,
    ))
      for (const each of [file, development]) if (each) expect(contents).toContain(each.replace('./', ''))
  })

  it('[T-06][T-06 twin][T-07][T-07 twin] ships no key and no worker; keys are made in each run', async () => {
    const shipped = join(folder, 'node_modules/sallyport')
    const texts = readdirSync(shipped, { recursive: true, encoding: 'utf8' }).flatMap((file) =>
      file.endsWith('.js') ? [readFileSync(join(shipped, file), 'utf8')] : [],
    )
    const suspicious = /-----BEGIN|"kty"|\beyJ[\w-]{10,}\.|serviceWorker|mockServiceWorker|setupWorker/
    expect(texts.length).toBeGreaterThan(50)
    for (const text of texts) expect(text).not.toMatch(suspicious)
    expect('navigator.serviceWorker.register("/mockServiceWorker.js")').toMatch(suspicious)
    writeFileSync(
      join(folder, 'keys.js'),
      "import { mockAuthorizationServer as make } from 'sallyport/testing'\n" +
        "const as = await make({ issuer: 'https://as.example.com', clients: [], users: [] })\n" +
        "console.log(await (await as.fetch('https://as.example.com/jwks')).text())",
    )
    expect(run('node', 'keys.js')).not.toBe(run('node', 'keys.js'))
  })

  it('[S-74] can be imported in Node without a browser, starts nothing, and exports what is listed', () => {
    const names = Object.keys(exported)
    const script = `
      const busy = () => process.getActiveResourcesInfo().filter((name) => !/CloseReq|FSReq|Pipe|TTY/.test(name))
      const found = {}
      for (const name of ${JSON.stringify(names)}) found[name] = Object.keys(await import(name)).sort()
      const { createAuth } = await import('sallyport')
      const auth = createAuth()
      auth.subscribe(() => {})
      found.ready = (await auth.ready()).status
      found.refused = await auth.getToken().catch((error) => error.code)
      found.started = busy()
      console.log(JSON.stringify(found))`
    expect(JSON.parse(run('node', '--input-type=module', '-e', script))).toEqual({
      ...exported,
      ready: 'pending',
      refused: 'not_in_browser',
      started: [],
    })
  })

  describe.each(['sallyport/testing', 'sallyport/testing/auth'])('%s, in production', (entry) => {
    it('[T-01][T-09] refuses to load in Node', () => {
      expect(outcomeOf(`await import('${entry}')`, 'production')).toMatch(/refuses to load with NODE_ENV=production/)
    })
    it('[T-01 twin][T-09 twin] loads in tests', () => {
      expect(outcomeOf(`await import('${entry}'); console.log('loaded')`, 'test')).toBe('loaded\n')
    })
    it.each([
      ['a name that is used', (name: string) => `import { ${name} } from '${entry}'\n${name}({})`],
      ['a name that is not', (name: string) => `import { ${name} } from '${entry}'\nconsole.log('loaded')`],
      ['all names', () => `import * as kit from '${entry}'\nconsole.log(kit)`],
      ['no name', () => `import '${entry}'\nconsole.log('loaded')`],
    ])('[T-09] refuses at load where a bundle for production holds it, by %s', async (_, code) => {
      const chunks = await bundled(code(exported[entry]?.at(-1) ?? ''))
      mkdirSync(join(folder, 'built/assets'), { recursive: true })
      for (const { fileName, code } of chunks) writeFileSync(join(folder, 'built', fileName), code)
      expect(outcomeOf(`await import('./built/${chunks[0]?.fileName}')`)).toMatch(
        /refuses to load with NODE_ENV=production/,
      )
    })
  })

  it('[T-09] refuses when it is called, if it was loaded before production began', () => {
    const calls = `
      const { mockAuthorizationServer, mockBrowser } = await import('sallyport/testing')
      const { createTestAuth } = await import('sallyport/testing/auth')
      const said = async () => Promise.all([
        () => createTestAuth(),
        () => mockBrowser({ origins: {} }),
        () => mockAuthorizationServer({ issuer: 'https://as.example.com', clients: [], users: [] }),
      ].map(async (make) => { try { await make(); return 'made' } catch { return 'refused' } }))
      console.log(...await said())
      process.env.NODE_ENV = 'production'
      console.log(...await said())`
    expect(outcomeOf(calls)).toBe('made made made\nrefused refused refused\n')
  })

  it('[T-09 twin] leaves nothing of the kit in a production bundle of the page that does not import it', async () => {
    const pages = ['sallyport', 'sallyport/countdown', 'sallyport/browser-only', 'sallyport/react']
    const code = pages.map((entry, at) => `import * as entry${at} from '${entry}'\nconsole.log(entry${at})`).join('\n')
    const kit = /sallyport\/testing|mockAuthorizationServer|createTestAuth/
    const textOf = async (app: string) => (await bundled(app)).map(({ code }) => code).join('\n')
    expect(await textOf(code)).not.toMatch(kit)
    expect(await textOf(`${code}\nimport * as kit from 'sallyport/testing/auth'\nconsole.log(kit)`)).toMatch(kit)
  })

  it.each([
    ['sallyport', 'createAuth', "createAuth({ redirectUri: '/callback' })", 'redirect_uri'],
    [
      'sallyport/browser-only',
      'createBrowserOnlyAuth',
      "createBrowserOnlyAuth({ issuer: 'https://as.example.com', clientId: 'notes' })",
      'client_id',
    ],
  ])(
    '[K-13] %s says in development what an option was meant to be, and carries nothing of that elsewhere',
    async (entry, name, misuse, meant) => {
      const script = `import { ${name} } from '${entry}'\ntry { ${misuse}; console.log('taken') } catch (error) { console.log(error.message) }`
      const said = run('node', '-C', 'development', '--input-type=module', '-e', script)
      expect(said).toContain(`${name}: "`)
      expect(said).toContain(`did you mean "${meant}"?`)
      expect(run('node', '--input-type=module', '-e', script)).not.toContain('did you mean')
      writeFileSync(join(folder, 'page.js'), `import { ${name} } from '${entry}'\nconsole.log(${name})`)
      const server = await createServer({
        root: folder,
        configFile: false,
        logLevel: 'silent',
        server: { middlewareMode: true, ws: false },
        optimizeDeps: { noDiscovery: true },
      })
      try {
        expect((await server.transformRequest('/page.js'))?.code).toContain('/development.js')
      } finally {
        await server.close()
      }
      const built = await bundled(`import { ${name} } from '${entry}'\nconsole.log(${name})`)
      expect(built.map(({ code }) => code).join('')).not.toContain('did you mean')
    },
  )

  it('[P-14] refuses encoded bytes that are no UTF-8 as it is built, and takes those that are', () => {
    const script = `
      import { createBff } from 'sallyport/bff'
      const key = () => crypto.randomUUID() + crypto.randomUUID()
      const bff = createBff({ issuer: 'https://login.example.net', client_id: 'notes', client_secret: key(), cookieKeys: [key()],
        baseUrl: 'https://app.example.com', mode: 'proxy', routes: { notes: { upstream: 'https://api.example.com/v1' } }, log: false })
      const headers = { 'Sallyport-CSRF': '1' }
      for (const path of ['%c0%ae/x', '?a=%c0%ae', '%C3%A9/x', '?a=%C3%A9'])
        console.log((await bff.fetch(new Request('https://app.example.com/bff/api/notes/' + path, { headers }))).status)`
    expect(run('node', '--input-type=module', '-e', script).split('\n').slice(0, 4)).toEqual([
      '400',
      '400',
      '401',
      '401',
    ])
  })

  it('pleases publint and @arethetypeswrong/cli', async () => {
    const { messages } = await publint({ pkgDir: join(folder, 'node_modules/sallyport'), strict: true })
    expect(messages).toEqual([])
    const report = npx('attw', tarball, '--profile', 'esm-only', '--format', 'ascii')
    // It exits with an error for every problem that the profile does not ignore.
    for (const name of Object.keys(exported)) expect(report).toContain(`"${name}"`)
    expect(report).not.toMatch(/❌|🎭|👺|🐛/u)
  })

  it.each(['NodeNext', 'Bundler'])('has types under moduleResolution %s', (moduleResolution) => {
    const uses = Object.entries(exported).map(
      ([name, names], at) =>
        `import { ${names.map((each) => `${each} as ${each}${at}`).join(', ')} } from '${name}'\nexport const all${at} = [${names.map((each) => `${each}${at}`).join(', ')}]`,
    )
    mkdirSync(join(folder, 'types'), { recursive: true })
    writeFileSync(
      join(folder, 'types/use.ts'),
      `${uses.join('\n')}
import { setupServer } from 'msw/node'
import { createAuth } from 'sallyport'
import type { MockAuthorizationServer } from 'sallyport/testing'
export const network = async (as: MockAuthorizationServer) => setupServer(...(await as.handlers()))
export async function hello(): Promise<string> {
  const session = await createAuth().ready()
  return session.status === 'signed-in' ? (session.user.name ?? session.user.sub) : session.status
}`,
    )
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'ES2022',
      lib: ['ES2023', 'DOM', 'DOM.Iterable'],
      types: [],
      skipLibCheck: true,
      module: moduleResolution === 'NodeNext' ? 'NodeNext' : 'ESNext',
      moduleResolution,
    }
    writeFileSync(join(folder, 'types/tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.ts'] }))
    expect(npx('tsc', '-p', 'types')).toBe('')
  })
})
