import { describe, expect, it } from 'vitest'
import { edgesOf, idleArrows, leaksOf, pageReaches, readTree, rings, type Tree } from './borders.js'

const src = readTree('src')

describe('the arrows between folders', () => {
  it('point inward, and every library has one home', () => {
    expect(Object.keys(src).length).toBeGreaterThan(50)
    expect(leaksOf(src)).toEqual([])
  })

  it('are needed, each of them', () => {
    expect(idleArrows(src)).toEqual([])
    expect(idleArrows({})).toContain('src: nothing of react imports client')
    expect(idleArrows({})).toContain('src/client: nothing of calls imports session')
  })

  it('make no ring in the demo either', () => {
    expect(rings(edgesOf(readTree('demo')))).toEqual([])
  })

  it('lead from the page’s entry to nothing of the server', () => {
    expect(pageReaches(src, 'src/client/index.ts')).toEqual([])
    expect(pageReaches(src, 'src/testing/auth.ts')).toEqual([])
  })

  it.each<[name: string, words: string, tree: Tree]>([
    [
      'a sibling',
      'client may not lean on bff',
      { 'src/client/a.ts': "import { b } from '../bff/b.js'", 'src/bff/b.ts': 'export const b = 1' },
    ],
    [
      'a type of a sibling',
      'guard may not lean on bff',
      { 'src/guard/a.ts': "import type { B } from '../bff/b.js'", 'src/bff/b.ts': 'export type B = 1' },
    ],
    [
      'a rim',
      'bff may not lean on node',
      { 'src/bff/a.ts': "export * from '../node/b.js'", 'src/node/b.ts': 'export const b = 1' },
    ],
    [
      'anything from protocol',
      'protocol may not lean on crypto',
      { 'src/protocol/a.ts': "import '../crypto/b.js'", 'src/crypto/b.ts': '' },
    ],
    ['a library away from home', 'its home is', { 'src/client/a.ts': "import { jwtVerify } from 'jose'" }],
    [
      'oidc-client-ts in another file',
      'its home is',
      { 'src/client/a.ts': "const x = () => import('oidc-client-ts')" },
    ],
    ['an unknown library', 'no folder may', { 'src/bff/a.ts': "import 'left-pad'" }],
    ['node: off the rim', 'only src/node/ may', { 'src/crypto/a.ts': "import 'node:crypto'" }],
    ['a file that is not there', 'no such file', { 'src/client/a.ts': "import './b.js'" }],
    ['a ring', 'import ring', { 'src/bff/a.ts': "import './b.js'", 'src/bff/b.ts': "import type { A } from './a.js'" }],
    ['an index in protocol', 'no index', { 'src/protocol/index.ts': '' }],
    [
      'oidc-client-ts at once',
      'first load',
      { 'src/client/index.ts': "import './sign-in/oidc.js'", 'src/client/sign-in/oidc.ts': "import 'oidc-client-ts'" },
    ],
    ['a file of 301 lines', '300', { 'src/bff/a.ts': '\n'.repeat(301) }],
    [
      'a crowded folder',
      'src/keys holds 22 files',
      Object.fromEntries(Array.from({ length: 22 }, (_, at) => [`src/keys/${at}.ts`, ''])),
    ],
    [
      'a rim that reaches behind what another one shows',
      'hono may not lean on node',
      { 'src/hono/a.ts': "import '../node/b.js'", 'src/node/b.ts': '' },
    ],
    [
      'a subject that leans on what fits it somewhere',
      'guard may not lean on node',
      { 'src/guard/a.ts': "import '../node/index.js'", 'src/node/index.ts': '' },
    ],
    ['a room that nobody has listed', 'src/agents/new is a room', { 'src/agents/new/a.ts': '' }],
    ['a room where there was none', 'src/keys/new is a room', { 'src/keys/new/a.ts': '' }],
    ['a room in a room', 'src/agents/audit/new is a room', { 'src/agents/audit/new/a.ts': '' }],
    [
      'a ring of two folders',
      'an import ring: src/keys ⇄ src/store',
      {
        'src/keys/a.ts': "import '../store/b.js'",
        'src/keys/c.ts': '',
        'src/store/b.ts': '',
        'src/store/d.ts': "import '../keys/c.js'",
      },
    ],
    [
      'an arrow between rooms that is not listed',
      'audit may not lean on tools',
      { 'src/agents/audit/a.ts': "import '../tools/b.js'", 'src/agents/tools/b.ts': '' },
    ],
    [
      'a ring of two rooms, of files that are none',
      'an import ring: src/agents/audit ⇄ src/agents/tools',
      {
        'src/agents/tools/a.ts': "import '../audit/b.js'",
        'src/agents/tools/c.ts': '',
        'src/agents/audit/b.ts': '',
        'src/agents/audit/d.ts': "import type { C } from '../tools/c.js'",
      },
    ],
    [
      'a ring of three rooms',
      'an import ring: src/agents/audit ⇄ src/agents/identity ⇄ src/agents/tools',
      {
        'src/agents/tools/a.ts': "import '../identity/a.js'",
        'src/agents/identity/a.ts': '',
        'src/agents/identity/b.ts': "import '../audit/a.js'",
        'src/agents/audit/a.ts': '',
        'src/agents/audit/b.ts': "import '../tools/b.js'",
        'src/agents/tools/b.ts': '',
      },
    ],
    [
      'a ring through a file beside the rooms',
      'an import ring: src/client/calls ⇄ src/client/types.ts',
      {
        'src/client/calls/a.ts': "import '../types.js'",
        'src/client/calls/b.ts': '',
        'src/client/types.ts': "import './calls/b.js'",
      },
    ],
  ])('are seen to be broken by %s', (_name, words, tree) => {
    expect(leaksOf(tree).join('\n')).toContain(words)
  })

  it('are kept by rooms that lean on one another one way, and by a rim on what another one shows', () => {
    expect(
      leaksOf({
        'src/agents/index.ts': "export * from './tools/a.js'\nexport * from './errors.js'",
        'src/agents/errors.ts': '',
        'src/agents/tools/a.ts': "import '../identity/b.js'\nimport '../errors.js'",
        'src/agents/identity/b.ts': "import '../errors.js'",
        'src/hono/index.ts': "import '../node/index.js'",
        'src/node/index.ts': '',
      }),
    ).toEqual([])
  })

  it('are seen to be broken by a server word behind a lazy import, with the chain', () => {
    const tree = {
      'src/client/index.ts': "const load = () => import('./lazy.js')",
      'src/client/lazy.ts': "import '../protocol/c.js'",
      'src/protocol/c.ts': "import '../crypto/hash.js'",
      'src/crypto/hash.ts': '',
    }
    expect(pageReaches(tree, 'src/client/index.ts')).toEqual([
      'src/client/index.ts → src/client/lazy.ts → src/protocol/c.ts → src/crypto/hash.ts',
    ])
  })
})

/** Lines that ask the environment, in what is shipped. The kit asks once, to refuse production. */
const asksEnvironment = (tree: Tree): string[] =>
  Object.entries(tree).flatMap(([file, text]) =>
    file !== 'src/testing/refuse-production.ts' && /\bprocess\.env\b|import\.meta\.env|\.env\b/.test(text)
      ? [file]
      : [],
  )

describe('switches', () => {
  it('[T-03] cannot be set in the environment: nothing that is shipped reads it', () => {
    expect(asksEnvironment(src)).toEqual([])
  })
  it('[T-03 twin] would be seen', () => {
    expect(asksEnvironment({ 'src/bff/a.ts': 'if (process.env.SKIP) x()' })).toEqual(['src/bff/a.ts'])
    expect(asksEnvironment({ 'src/bff/a.ts': 'const { env } = process; env' })).toEqual([])
  })
})
