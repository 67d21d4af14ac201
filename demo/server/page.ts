import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { build as viteBuild } from 'vite'
import { pagePolicy, secure } from './headers.js'

interface File {
  type: string
  plain: Buffer
  /** Compressed when it is first asked for, and kept. */
  brotli: () => Buffer
  immutable: boolean
}

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Well, in a tenth of the time that the best compression takes for two per cent less. */
const params = { [constants.BROTLI_PARAM_QUALITY]: 9 }

function compressed(body: Buffer): () => Buffer {
  let result: Buffer | undefined
  return () => {
    result ??= brotliCompressSync(body, { params })
    return result
  }
}

export interface PageSettings {
  /** The folder of its `index.html`. */
  root: string
  /** The path at which it is served, with slashes at both ends. */
  base: string
  /** More paths of the page, for example `callback`, the redirect URI. */
  views: readonly string[]
  /** Packages with another location. */
  alias?: Readonly<Record<string, string>>
}

const built = new Map<string, Promise<ReadonlyMap<string, File>>>()

/**
 * Builds a page as for production, in memory: without inline script, because of the strict CSP. Once for each
 * process, even if it starts several demos.
 */
export function buildPage(settings: PageSettings): Promise<ReadonlyMap<string, File>> {
  const key = JSON.stringify(settings)
  const page = built.get(key) ?? build(settings)
  built.set(key, page)
  return page
}

async function build({ root, base, views, alias = {} }: PageSettings): Promise<ReadonlyMap<string, File>> {
  const { NODE_ENV } = process.env
  const result = await viteBuild({
    root,
    base,
    resolve: { alias },
    configFile: false,
    logLevel: 'error',
    publicDir: false,
    plugins: [parts(root)],
    build: { write: false, target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  })
  // A build sets NODE_ENV to `production` for the whole process, and the demo refuses to start in production.
  if (NODE_ENV === undefined) delete process.env['NODE_ENV']
  const outputs = [result].flat().flatMap((one) => ('output' in one ? one.output : []))
  const files = new Map(
    outputs.map((file): [string, File] => {
      const plain = Buffer.from(file.type === 'chunk' ? file.code : file.source)
      const type = types[file.fileName.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
      const immutable = file.fileName.startsWith('assets/')
      return [base + file.fileName, { type, plain, brotli: compressed(plain), immutable }]
    }),
  )
  const page = files.get(`${base}index.html`)
  files.delete(`${base}index.html`)
  if (page) for (const view of ['', ...views]) files.set(base + view, page)
  return files
}

/** Replaces `<!-- keys.html -->` with that file from the same folder. */
const parts = (root: string) => ({
  name: 'parts',
  transformIndexHtml: (html: string) =>
    html.replace(/<!-- ([a-z-]+\.html) -->/g, (_, file: string) => readFileSync(join(root, file), 'utf8')),
})

/** Serves only files of the build: a path is looked up, never joined with a folder. */
export function servePage(files: ReadonlyMap<string, File>): RequestListener {
  return (request, response) => {
    secure(response, pagePolicy)
    const path = request.url?.replace(/[?#].*$/, '') ?? '/'
    const file = files.get(path)
    if (!file) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('Not found.')
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD' }).end()
      return
    }
    const brotli = /\bbr\b/.test(`${request.headers['accept-encoding']}`)
    const body = brotli ? file.brotli() : file.plain
    response.writeHead(200, {
      'Content-Type': file.type,
      'Content-Length': body.length,
      // The page contains no personal data. It may be cached, but must be revalidated.
      'Cache-Control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      Vary: 'Accept-Encoding',
      ...(brotli && { 'Content-Encoding': 'br' }),
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
}
