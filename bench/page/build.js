// Each library's page as an app would ship it, and what it weighs.
import { resolve } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { build } from 'vite'

const folder = resolve('bench/page')
const compress = (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
const types = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css' }

/** @param name a file of `contestants`, or `control`: the same page without a library */
export async function buildPage(name, peers) {
  const { NODE_ENV } = process.env
  const contestant = name === 'control' ? resolve(folder, 'control.js') : resolve(folder, `contestants/${name}.js`)
  const ours = {
    name: 'ours-from-dist',
    resolveId: (id) => (/^sallyport/.test(id) ? resolve(`dist/${entries[id]}`) : null),
  }
  const { output } = await build({
    root: folder,
    base: `/c/${name}/`,
    configFile: false,
    logLevel: 'error',
    plugins: [ours, peersFrom(peers)],
    resolve: { alias: { contestant } },
    build: { write: false, target: 'es2022', modulePreload: { polyfill: false } },
  })
  process.env.NODE_ENV = NODE_ENV
  const files = output.map((file) => ({ ...file, body: compress(file.type === 'chunk' ? file.code : file.source) }))
  const chunks = files.filter(({ type }) => type === 'chunk')
  const eager = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName))
  for (const one of eager) for (const next of chunks.find(({ fileName }) => fileName === one).imports) eager.add(next)
  const sum = (some) => some.reduce((total, { body }) => total + body.length, 0)
  const pages = files.map(({ fileName, body }) => [
    `/c/${name}/${fileName === 'index.html' ? '' : fileName}`,
    { type: types[fileName.split('.').at(-1)] ?? 'application/octet-stream', body },
  ])
  return {
    pages,
    eager: sum(chunks.filter(({ fileName }) => eager.has(fileName))),
    all: sum(chunks),
    entry: `/c/${name}/${chunks.find(({ isEntry }) => isEntry).fileName}`,
  }
}

const entries = { sallyport: 'client/index.js', 'sallyport/browser-only': 'browser-only/index.js' }

/** What a contestant imports comes from where the peers are installed; what ours needs, from the project. */
const peersFrom = (peers) => ({
  name: 'peers',
  resolveId(id, importer, options) {
    if (/^[./\0]/.test(id) || !importer?.includes('/contestants/') || /^sallyport/.test(id)) return null
    return this.resolve(id, resolve(peers, 'index.js'), { ...options, skipSelf: true })
  },
})
