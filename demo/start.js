// Starts the demo: builds missing and outdated files, then runs everything in this process, or with `--instances 2`
// the backend in two separate processes. REDIS_URL or DATABASE_URL sets where sessions are stored.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`The demo needs Node 20.19 or later; this is ${process.versions.node}.`)
  process.exit(1)
}

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether the built package lacks a file or is older than its sources. */
function isStale() {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
  const built = Object.values(exports).flatMap((subpath) => subpath.default ?? [])
  const sources = readdirSync('src', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
  return Math.min(...built.map(changed)) < Math.max(...[...sources, 'package.json', 'vite.config.ts'].map(changed))
}

try {
  const { NODE_ENV } = process.env
  const { build } = await import('vite')
  if (isStale()) {
    console.log('Building sallyport …')
    await build({ logLevel: 'error' })
  }
  // The servers are TypeScript, which Node 20 cannot run; imported packages stay outside the bundle.
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: 'demo/dist',
      emptyOutDir: true,
      target: 'es2023',
      rolldownOptions: {
        input: { server: './demo/server/index.ts', instance: './demo/server/instance.ts' },
        external: /^sallyport/,
        output: { entryFileNames: '[name].js' },
      },
    },
  })
  // A build sets NODE_ENV to `production` for the whole process, and the demo refuses to start in production.
  if (NODE_ENV === undefined) delete process.env.NODE_ENV
  const { startDemo } = await import('./dist/server.js')
  const { PORT: port, ACCESS_TOKEN_LIFETIME: lifetime, REDIS_URL: redisUrl, DATABASE_URL: databaseUrl } = process.env
  const options = { host: { type: 'string' }, instances: { type: 'string' } }
  const { host, instances } = parseArgs({ options }).values
  const demo = await startDemo({
    store: { redisUrl, databaseUrl },
    ...(host && { host }),
    ...(instances && { instances: Number(instances) }),
    ...(port && { port: Number(port) }),
    ...(lifetime && { accessTokenLifetime: Number(lifetime) }),
  })
  let ending = false
  const end = async (code) => {
    if (ending) process.exit(code || 1)
    ending = true
    await demo.close()
    process.exit(code)
  }
  process.on('SIGINT', () => end(0))
  process.on('SIGTERM', () => end(0))
  process.on('SIGHUP', () => end(0))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
