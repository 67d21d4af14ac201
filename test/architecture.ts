import { edgesOf, foldersOf, type Tree } from './borders.js'

/** Parts of docs/architecture.md: the picture, one sentence for each folder, and the files of each way in lists. */
export interface ArchitecturePage {
  folders: string[]
  arrows: string[]
  /** Folders that import src/protocol without an arrow: all but these. */
  withoutProtocol: string[]
  sentences: [folder: string, sentence: string][]
  /** By heading: each list names files in order. */
  ways: Record<string, string[][]>
  /** Every file and folder of src that the page names anywhere. */
  named: string[]
}

export function readArchitecture(page: string): ArchitecturePage {
  const picture = /```mermaid\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const folders = new Set<string>()
  const arrows: string[] = []
  for (const line of picture.split('\n').map((line) => line.trim())) {
    if (!line || line === 'end' || line.startsWith('flowchart')) continue
    const [from = '', targets] = line.replace('subgraph ', '').split(' --> ')
    folders.add(`src/${from}`)
    for (const to of targets?.split(' & ') ?? []) {
      folders.add(`src/${to}`)
      arrows.push(`src/${from} → src/${to}`)
    }
  }
  const except = /Every folder except (.+?) imports `src\/protocol`/s.exec(page)?.[1] ?? ''
  const [, waysText = ''] = page.split('\n## The way of a request\n')
  return {
    folders: [...folders],
    arrows,
    withoutProtocol: [...except.matchAll(/`(src\/[\w-]+)`/g)].map(([, folder = '']) => folder),
    sentences: [...page.matchAll(/^ *- `(src\/[\w/-]+)`: (.*)$/gm)].map(([, folder = '', sentence = '']) => [
      folder,
      sentence,
    ]),
    ways: Object.fromEntries(
      waysText
        .split('\n### ')
        .slice(1)
        .map((way) => [way.split('\n')[0], listsOf(way)]),
    ),
    named: [...page.matchAll(/`(src\/[\w./-]+)`/g)].map(([, name = '']) => name),
  }
}

/** The files of each numbered list. */
function listsOf(text: string): string[][] {
  const lists: string[][] = []
  for (const [, number, file = ''] of text.matchAll(/^(\d+)\. `(src\/[\w./-]+\.tsx?)`: /gm)) {
    if (number === '1') lists.push([])
    lists.at(-1)?.push(file)
  }
  return lists
}

/** The ways that the page has to show. */
export const ways = [
  'Page load',
  'Sign-in in `token-mediating` mode',
  'Sign-in in `proxy` mode',
  'Renewal',
  'Proxied call',
  'Guarded call',
]

/** What the page says that is not so, and what it leaves out. `listed`: arrows that test/borders.ts allows. */
export function architectureFaults(page: string, tree: Tree, listed: readonly string[]): string[] {
  const { folders, arrows, withoutProtocol, sentences, ways: shown, named } = readArchitecture(page)
  const edges = edgesOf(tree)
  const real = foldersOf(tree).filter((folder) => folder !== 'src')
  const undrawn = real
    .filter(
      (folder) => folder.split('/').length === 2 && folder !== 'src/protocol' && !withoutProtocol.includes(folder),
    )
    .map((folder) => `${folder} → src/protocol`)
  const imports = new Set(edges.flatMap(({ from, to }) => arrowOf(from, to) ?? []))
  const drawn = [...arrows, ...undrawn]
  const described = sentences.map(([folder]) => folder)
  return [
    ...real.flatMap((folder) => (folders.includes(folder) ? [] : [`${folder} is not in the picture`])),
    ...folders.flatMap((folder) => (real.includes(folder) ? [] : [`${folder} is in the picture, and not in the tree`])),
    ...[...imports].flatMap((arrow) => (drawn.includes(arrow) ? [] : [`${arrow} is not in the picture`])),
    ...drawn.flatMap((arrow) => (imports.has(arrow) ? [] : [`${arrow} is in the picture, and no file imports that`])),
    ...listed.flatMap((arrow) => (drawn.includes(arrow) ? [] : [`${arrow} is in test/borders.ts, not in the picture`])),
    ...real.flatMap((folder) => {
      const { length } = described.filter((other) => other === folder)
      return length === 1 ? [] : [`${folder} has ${length} sentences`]
    }),
    ...sentences.flatMap(([folder, sentence]) =>
      /^[^.]+(\.[^\s.][^.]*)*\.$/.test(sentence) ? [] : [`${folder}: not one sentence: ${sentence}`],
    ),
    ...named.flatMap((name) => (name in tree || real.includes(name) ? [] : [`${name} is named, and not in the tree`])),
    ...ways.flatMap((way) => ((shown[way]?.flat().length ?? 0) > 2 ? [] : [`"${way}" names too few files`])),
    ...Object.entries(shown).flatMap(([way, lists]) =>
      lists.flatMap((list) =>
        list.flatMap((file, at) =>
          at === 0 || edges.some(({ from, to }) => to === file && list.indexOf(from) >= 0 && list.indexOf(from) < at)
            ? []
            : [`"${way}": no file above ${file} imports it`],
        ),
      ),
    ),
  ]
}

/** Two folders, or two rooms of one folder, that an import joins. */
function arrowOf(from: string, to: string): string | undefined {
  const [a, b] = [from.split('/').slice(0, -1), to.split('/').slice(0, -1)]
  const at = a.findIndex((name, index) => name !== b[index])
  if (at < 0 || at >= b.length || b[0] !== 'src') return undefined
  return `${a.slice(0, at + 1).join('/')} → ${b.slice(0, at + 1).join('/')}`
}
