import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { parseSync } from 'vite'

/** Files by path, `src/client/auth.ts` → text. */
export type Tree = Readonly<Record<string, string>>

export interface Edge {
  from: string
  /** A file of the tree, or the name of a package. */
  to: string
  /** How it is imported: types vanish, `lazy` is a dynamic import. */
  kind: 'static' | 'lazy' | 'type'
}

/** The TypeScript files under a folder. */
export const readTree = (folder: string): Tree =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
      const file = `${folder}/${name.replaceAll('\\', '/')}`
      return /\.tsx?$/.test(file) ? [[file, readFileSync(file, 'utf8')]] : []
    }),
  )

/** Every import of every file, by a parser and not by patterns. */
export function edgesOf(tree: Tree): Edge[] {
  return Object.entries(tree).flatMap(([from, text]) => {
    const { module, errors } = parseSync(from, text)
    if (errors.length) throw new Error(`${from} does not parse: ${errors[0]?.message}`)
    const resolve = (specifier: string) =>
      specifier.startsWith('.')
        ? posix.join(posix.dirname(from), specifier).replace(/\.js$/, from.endsWith('.ts') ? '.ts' : '.js')
        : specifier
    const edge = (specifier: string, kind: Edge['kind']): Edge => ({ from, to: resolve(specifier), kind })
    return [
      ...module.staticImports.map(({ moduleRequest, entries }) =>
        edge(moduleRequest.value, entries.length && entries.every(({ isType }) => isType) ? 'type' : 'static'),
      ),
      ...module.staticExports.flatMap(({ entries }) =>
        entries.flatMap(({ moduleRequest, isType }) =>
          moduleRequest ? [edge(moduleRequest.value, isType ? 'type' : 'static')] : [],
        ),
      ),
      ...module.dynamicImports.map(({ moduleRequest }) =>
        edge(text.slice(moduleRequest.start, moduleRequest.end).replace(/^['"`]|['"`]$/g, ''), 'lazy'),
      ),
    ]
  })
}

/** Which folders of src a folder may import. Itself always. */
const arrows: Record<string, readonly string[]> = {
  protocol: [],
  crypto: ['protocol'],
  store: ['protocol'],
  client: ['protocol'],
  react: ['client'],
  provider: ['protocol'],
  'browser-only': ['protocol', 'client', 'provider'],
  bff: ['protocol', 'crypto', 'store', 'provider'],
  guard: ['protocol', 'crypto', 'store', 'provider'],
  machine: ['protocol', 'provider'],
  tokens: ['protocol', 'crypto', 'store'],
  keys: ['protocol', 'crypto', 'store'],
  'key-ring': ['protocol', 'store'],
  agents: ['protocol', 'crypto', 'store', 'key-ring'],
  node: ['protocol', 'crypto', 'bff', 'guard', 'key-ring'],
  hono: ['protocol', 'guard'],
  testing: ['protocol', 'store', 'client'],
}

/**
 * Which rooms of a folder a room may import, by the folder that holds them. Files that lie beside rooms are free to import and to be
 * imported, as long as no ring comes of it.
 */
const rooms: Record<string, Readonly<Record<string, readonly string[]>>> = {
  'src/protocol': { http: [] },
  'src/store': { memory: [], redis: [], postgres: [] },
  'src/bff': {
    http: ['rate-limits'],
    'rate-limits': [],
    store: [],
    sealing: ['store'],
    sessions: ['http', 'sealing', 'store'],
    'sign-in': ['http', 'sealing', 'sessions', 'store'],
    'sign-out': ['http', 'sealing', 'sessions', 'store'],
    proxy: ['http', 'sessions'],
  },
  'src/bff/sessions': { sealed: [], stored: [] },
  'src/provider': { client: [], failures: [], jwt: ['failures'] },
  'src/client': { session: [], calls: ['session'], 'sign-in': ['session'] },
  'src/agents': { approvals: [], audit: [], identity: ['approvals'], tools: ['identity', 'approvals', 'audit'] },
  'src/testing': { 'authorization-server': [], browser: [], contracts: [] },
}

/** All arrows that are allowed by name, `src/bff → src/store`. */
export const listedArrows = (): string[] =>
  Object.entries({ src: arrows, ...rooms }).flatMap(([folder, list]) =>
    Object.entries(list).flatMap(([from, others]) => others.map((to) => `${folder}/${from} → ${folder}/${to}`)),
  )

/** What makes a subject fit somewhere. They may import each other, by what is public; no other folder imports them. */
const rims = ['browser-only', 'react', 'node', 'hono', 'testing']

const subpaths: Record<string, { default?: string }> = JSON.parse(readFileSync('package.json', 'utf8')).exports
/** The sources of what is public: `./dist/bff/index.js` is built from `src/bff/index.ts`. */
const entries = Object.values(subpaths).flatMap(({ default: file }) =>
  file ? [file.replace('./dist/', 'src/').replace(/\.js$/, '.ts')] : [],
)

/** Where a package may be known: folders, or one file. */
const homes: Record<string, readonly string[]> = {
  'oidc-client-ts': ['src/client/sign-in/oidc.ts'],
  'openid-client': ['src/provider/'],
  hono: ['src/bff/', 'src/hono/'],
  jose: [
    'src/agents/',
    'src/tokens/',
    'src/guard/',
    'src/testing/',
    'src/bff/sign-out/logout-token.ts',
    'src/provider/',
  ],
  dpop: ['src/provider/', 'src/browser-only/dpop-fetch.ts'],
  '@hono/node-server': ['src/node/'],
  undici: ['src/node/mutual-tls.ts'],
  msw: ['src/testing/authorization-server/handlers.ts'],
  react: ['src/react/'],
  '@opentelemetry/api': ['src/bff/opentelemetry.ts'],
}

/** In one folder: more is a crowd. */
const MOST_FILES = 21

const folderOf = (file: string): string => file.split('/')[1] ?? ''
const inTree = (to: string): boolean => to.startsWith('src/')

/** What is wrong with a tree, each leak with its address. */
export function leaksOf(tree: Tree): string[] {
  const edges = edgesOf(tree)
  return [
    ...edges.flatMap(({ from, to }) => {
      if (!inTree(to)) {
        const name = to.startsWith('node:')
          ? 'node:'
          : to
              .split('/')
              .slice(0, to.startsWith('@') ? 2 : 1)
              .join('/')
        if (name === 'node:') return folderOf(from) === 'node' ? [] : [`${from} imports ${to}: only src/node/ may`]
        const allowed = homes[name]
        if (!allowed) return [`${from} imports ${to}: no folder may`]
        return allowed.some((home) => from.startsWith(home))
          ? []
          : [`${from} imports ${to}: its home is ${allowed.join(', ')}`]
      }
      const [own, other] = [folderOf(from), folderOf(to)]
      if (!(to in tree)) return [`${from} imports ${to}: there is no such file`]
      const mayLean =
        own === other ||
        arrows[own]?.includes(other) ||
        (rims.includes(own) && rims.includes(other) && entries.includes(to))
      return mayLean ? [] : [`${from} imports ${to}: ${own} may not lean on ${other}`]
    }),
    ...rings(edges),
    ...foldersOf(tree).flatMap((folder) => roomLeaks(tree, edges, folder)),
    ...Object.keys(tree).flatMap((file) =>
      file === 'src/protocol/index.ts' ? [`${file}: protocol has no index`] : [],
    ),
    ...edges.flatMap(({ from, to, kind }) =>
      to === 'oidc-client-ts' && kind !== 'type' && eagerly(edges, 'src/client/index.ts').has(from)
        ? [`${from} brings oidc-client-ts into the page's first load`]
        : [],
    ),
    ...Object.entries(tree).flatMap(([file, text]) => {
      const lines = text.split('\n').length
      return lines > 300 ? [`${file} has ${lines} lines: 300 hold more than one idea`] : []
    }),
    ...foldersOf(tree).flatMap((folder) => {
      const { length } = Object.keys(tree).filter((file) => posix.dirname(file) === folder)
      return length > MOST_FILES ? [`${folder} holds ${length} files: cut it into rooms`] : []
    }),
  ]
}

/** All folders with something in them, `src` too. */
export const foldersOf = (tree: Tree): string[] => {
  const folders = new Set<string>()
  for (const file of Object.keys(tree))
    for (let folder = posix.dirname(file); folder !== '.'; folder = posix.dirname(folder)) folders.add(folder)
  return [...folders].sort()
}

/** What a file belongs to, seen from a folder above it: a room, or the file itself where it lies beside the rooms. */
function partOf(folder: string, file: string): string | undefined {
  if (!file.startsWith(`${folder}/`)) return undefined
  return `${folder}/${file.slice(folder.length + 1).split('/')[0]}`
}

/** Arrows between the rooms of one folder that are not listed, rooms that are not, and rings, however long and through whichever file. */
function roomLeaks(tree: Tree, edges: readonly Edge[], folder: string): string[] {
  const parts = new Set(Object.keys(tree).flatMap((file) => partOf(folder, file) ?? []))
  const between = edges.flatMap((edge) => {
    const [from, to] = [partOf(folder, edge.from), partOf(folder, edge.to)]
    return from && to && from !== to ? [{ from, to, edge }] : []
  })
  const isRoom = (part: string) => folder !== 'src' && !(part in tree)
  const listed = (part: string) => rooms[folder]?.[posix.basename(part)]
  return [
    ...[...parts].flatMap((part) => (isRoom(part) && !listed(part) ? [`${part} is a room that is not listed`] : [])),
    ...between.flatMap(({ from, to, edge }) =>
      isRoom(from) && isRoom(to) && !listed(from)?.includes(posix.basename(to))
        ? [`${edge.from} imports ${edge.to}: ${posix.basename(from)} may not lean on ${posix.basename(to)}`]
        : [],
    ),
    ...rings(between.map(({ from, to, edge: { kind } }) => ({ from, to, kind }))),
  ]
}

/** Arrows that are listed, and that no import needs. */
export function idleArrows(tree: Tree): string[] {
  const edges = edgesOf(tree)
  return Object.entries({ src: arrows, ...rooms }).flatMap(([folder, list]) =>
    Object.entries(list).flatMap(([own, others]) =>
      others
        .filter(
          (other) =>
            !edges.some(({ from, to }) => from.startsWith(`${folder}/${own}/`) && to.startsWith(`${folder}/${other}/`)),
        )
        .map((other) => `${folder}: nothing of ${own} imports ${other}`),
    ),
  )
}

/** What is reached from a file, by chains of imports that `follow` admits. */
function reach(edges: readonly Edge[], entry: string, follow: (edge: Edge) => boolean): Map<string, string[]> {
  const chains = new Map([[entry, [entry]]])
  for (const [file, chain] of chains)
    for (const edge of edges)
      if (edge.from === file && follow(edge) && !chains.has(edge.to)) chains.set(edge.to, [...chain, edge.to])
  return chains
}

const eagerly = (edges: readonly Edge[], entry: string) => reach(edges, entry, ({ kind }) => kind === 'static')

/** Everything that the page's entries can ever load, types included, with the chain that leads there. */
export function pageReaches(tree: Tree, entry: string): string[] {
  const forbidden =
    /^node:|\/(crypto|provider|bff|node|guard|store|keys|key-ring|agents|tokens|machine)\/|^(openid-client|hono|jose|@hono)/
  return [...reach(edgesOf(tree), entry, () => true)].flatMap(([file, chain]) =>
    forbidden.test(file) ? [chain.join(' → ')] : [],
  )
}

/** Files that import each other, through however many others; types count. */
export function rings(edges: readonly Edge[]): string[] {
  const found = new Set<string>()
  for (const { from, to } of edges) {
    const back = reach(edges, to, () => true).get(from)
    if (back) found.add([...new Set(back)].sort().join(' ⇄ '))
  }
  return [...found].map((ring) => `an import ring: ${ring}`)
}
