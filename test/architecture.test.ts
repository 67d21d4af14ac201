import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { architectureFaults, ways } from './architecture.js'
import { listedArrows, readTree, type Tree } from './borders.js'

const page = readFileSync('docs/architecture.md', 'utf8')

describe('docs/architecture.md', () => {
  it('shows every folder, room and arrow of src, and names files where they are', () => {
    expect(architectureFaults(page, readTree('src'), listedArrows())).toEqual([])
  })

  it('is what a newcomer finds first', () => {
    expect(readFileSync('CONTRIBUTING.md', 'utf8')).toContain('(docs/architecture.md)')
    expect(readFileSync('README.md', 'utf8')).toContain('(docs/architecture.md)')
  })
})

/** A small tree, and the page that fits it. */
const tree: Tree = {
  'src/protocol/a.ts': '',
  'src/client/page.ts': "import './calls/call.js'\nimport '../protocol/a.js'",
  'src/client/calls/call.ts': "import '../session/session.js'",
  'src/client/session/session.ts': '',
  'src/react/index.ts': "import '../client/page.js'",
}
const listed = ['src/react → src/client', 'src/client → src/protocol', 'src/client/calls → src/client/session']
const small = `
Every folder except \`src/react\` imports \`src/protocol\`; these arrows are not drawn.

\`\`\`mermaid
flowchart TB
  subgraph client
    client/calls --> client/session
  end
  subgraph protocol
  end
  react --> client
\`\`\`

- \`src/protocol\`: terms.
- \`src/client\`: the page, with \`sallyport/x.y\`.
  - \`src/client/session\`: the session.
  - \`src/client/calls\`: calls.
- \`src/react\`: hooks.

## The way of a request
${ways
  .map(
    (way) => `
### ${way}

In the page:

1. \`src/client/page.ts\`: starts.
2. \`src/client/calls/call.ts\`: calls.
3. \`src/client/session/session.ts\`: answers.
`,
  )
  .join('')}`

describe('a page about a small tree', () => {
  it('is accepted as it is', () => {
    expect(architectureFaults(small, tree, listed)).toEqual([])
  })

  it.each<[name: string, fault: string, page: string, tree?: Tree, listed?: string[]]>([
    ['a folder that is missing', 'src/keys is not in the picture', small, { ...tree, 'src/keys/a.ts': '' }],
    ['a room that is missing', 'src/client/new is not in the picture', small, { ...tree, 'src/client/new/a.ts': '' }],
    [
      'a folder that is gone',
      'src/hono is in the picture, and not in the tree',
      small.replace('  react -->', '  subgraph hono\n  end\n  react -->'),
    ],
    [
      'an arrow that no import needs',
      'src/client/session → src/client/calls is in the picture, and no file imports that',
      small.replace('  end\n', '  client/session --> client/calls\n  end\n'),
    ],
    [
      'an arrow of a folder that is not drawn',
      'src/react → src/client is not in the picture',
      small.replace('react --> client', 'subgraph react'),
    ],
    [
      'an arrow of a room that is not drawn',
      'src/client/session → src/client/calls is not in the picture',
      small,
      { ...tree, 'src/client/session/session.ts': "import '../calls/call.js'" },
    ],
    [
      'an arrow of test/borders.ts that is not drawn',
      'src/react → src/store is in test/borders.ts',
      small,
      tree,
      [...listed, 'src/react → src/store'],
    ],
    [
      'an arrow to protocol that is not there',
      'src/client → src/protocol is in the picture, and no file imports that',
      small,
      { ...tree, 'src/client/page.ts': "import './calls/call.js'" },
    ],
    ['a folder without a sentence', 'src/react has 0 sentences', small.replace('- `src/react`: hooks.', '')],
    ['a folder with two', 'src/react has 2 sentences', small.replace('hooks.', 'hooks.\n- `src/react`: more.')],
    ['two sentences', 'src/react: not one sentence', small.replace('hooks.', 'hooks. And more.')],
    ['half a sentence', 'src/react: not one sentence', small.replace('hooks.', 'hooks')],
    ['a file that was moved', 'src/client/page.ts is named', small, movedPage()],
    ['a way that is missing', '"Renewal" names too few files', small.replace('### Renewal', '### Other')],
    [
      'files in the wrong order',
      'no file above src/client/page.ts imports it',
      small.replace(/1\. (`src.client.page.ts`: .*)\n2\. (`src.client.calls.*)/, '1. $2\n2. $1'),
    ],
    [
      'a step that leads nowhere',
      'no file above src/client/session/session.ts imports it',
      small,
      { ...tree, 'src/client/calls/call.ts': '' },
    ],
  ])('is refused for %s', (_name, fault, page, changed = tree, arrows = listed) => {
    expect(architectureFaults(page, changed, arrows).join('\n')).toContain(fault)
  })
})

function movedPage(): Tree {
  const { 'src/client/page.ts': text = '', ...rest } = tree
  return { ...rest, 'src/client/auth.ts': text }
}
