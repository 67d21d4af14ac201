import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).split('\n').filter(Boolean)
const tracked = git('ls-files', '--cached', '--others', '--exclude-standard').filter((file) => existsSync(file))
const pages = tracked.filter((file) => /^(README|CHANGELOG|CONTRIBUTING|SECURITY|docs\/.+)\.md$/.test(file))

describe('the documents', () => {
  it('have code that compiles against the package', () => {
    const folder = 'node_modules/.cache/docs'
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    let blocks = 0
    for (const page of pages)
      for (const [, language, code] of readFileSync(page, 'utf8').matchAll(/^```(tsx?)\n([\s\S]*?)^```$/gm)) {
        blocks++
        // Each block is a module of its own, by the name in its first line where it has one.
        const [, name] = /^\/\/ (\S+)\.js\n/.exec(code ?? '') ?? []
        const file = join(folder, `${name ?? `${page.replace(/\W/g, '-')}-${blocks}`}.${language}`)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, `${code}\nexport {}\n`)
      }
    expect(blocks).toBeGreaterThan(8)
    const compilerOptions = {
      noEmit: true,
      composite: false,
      incremental: false,
      module: 'ESNext',
      moduleResolution: 'bundler',
      types: ['node'],
      jsx: 'react-jsx',
      skipLibCheck: true,
      // As an app has it.
      noPropertyAccessFromIndexSignature: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
    }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../../tsconfig.base.json', compilerOptions, include: ['**/*.ts', '**/*.tsx'] }),
    )
    const compile = () => {
      try {
        return execFileSync('node_modules/.bin/tsc', ['-p', folder], { encoding: 'utf8' })
      } catch (error) {
        return (error as { stdout: string }).stdout
      }
    }
    expect(compile()).toBe('')
    writeFileSync(join(folder, 'wrong.ts'), "import { createAuth } from 'sallyport'\ncreateAuth().signIn()\n")
    expect(compile()).toContain('wrong.ts')
  }, 60_000)

  it('link to pages that exist', () => {
    const broken = (page: string, text: string) =>
      [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].flatMap(([, target = '']) =>
        existsSync(join(dirname(page), target)) ? [] : [`${page}: ${target}`],
      )
    expect(pages.flatMap((page) => broken(page, readFileSync(page, 'utf8')))).toEqual([])
    expect(broken('README.md', '[x](docs/nothing.md)')).toEqual(['README.md: docs/nothing.md'])
  })

  it('link to headings that exist', () => {
    const anchors = (text: string) =>
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replace(/[^\p{L}\p{N}\s_-]/gu, '')
          .replaceAll(' ', '-'),
      )
    const broken = (page: string, text: string) =>
      [...text.matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)].flatMap(([, target = '', anchor = '']) => {
        const file = target ? join(dirname(page), target) : page
        return anchors(target ? readFileSync(file, 'utf8') : text).includes(anchor)
          ? []
          : [`${page}: ${file}#${anchor}`]
      })
    expect(pages.flatMap((page) => broken(page, readFileSync(page, 'utf8')))).toEqual([])
    expect(broken('README.md', '[x](#nothing)')).toEqual(['README.md: README.md#nothing'])
    expect(broken('README.md', '[x](docs/errors.md#nothing)')).toEqual(['README.md: docs/errors.md#nothing'])
    expect(broken('README.md', '# In the Page, `x`\n[x](#in-the-page-x)')).toEqual([])
  })
})

/** Words that a reader in a second language has to guess, and what to write. */
const riddles: Record<string, RegExp> = {
  mock: /make-?believe/i,
  'is down': /\b(is|are|was) away\b/i,
  'temporarily unavailable': /\bnot now\b/i,
  'on the instructions of': /\bat the wish\b/i,
  'is for': /\bspeaks of\b/i,
  authorization: /\bleave for each\b/i,
  'so, on, also': /\b(hence|thus|upon|likewise)\b/i,
  'a user, a caller': /\bwhoever (?!wrote the page)/i,
}
const guessed = (file: string, text: string) =>
  Object.entries(riddles).flatMap(([plain, pattern]) =>
    text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: write “${plain}”`] : [])),
  )

it('the documents and the demo use plain words', () => {
  const older = (text: string) => text.split('\n## 0.2.0')[0] ?? ''
  const files = [...pages, 'package.json', ...tracked.filter((file) => /^demo\/.+\.(tsx?|js|html)$/.test(file))]
  expect(files.flatMap((file) => guessed(file, older(readFileSync(file, 'utf8'))))).toEqual([])
  expect(guessed('x', 'The store is away.')).toEqual(['x:1: write “is down”'])
  expect(guessed('x', 'The store is down. On the instructions of whoever wrote the page.')).toEqual([])
})

/** What must not stand in a file, by name. The expressions are written so that they do not match themselves. */
const secrets: Record<string, RegExp> = {
  'a private key': /-----BEGIN [A-Z ]*PRIVATE KEY/,
  'a private JWK': /"d"\s*:\s*"[\w-]{20,}"/,
  'a signed token': /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}/,
  'a secret written down':
    /(secret|password|cookie_?key|token)\w*['"]?\s*[:=]\s*['"](?=[^'"]*\d)(?=[^'"]*[A-Z])[\w+/-]{32,}['"]/i,
  'a path of a machine': /(^|[^\w.])\/(home|root|Users|work)\/\w+/,
  'the host of a registry': /registry\.(npmjs|yarnpkg)|deb\.debian/,
}
const found = (file: string, text: string) =>
  Object.entries(secrets).flatMap(([name, pattern]) => (pattern.test(text) ? [`${file}: ${name}`] : []))

describe('the repository', () => {
  it('[D-07] holds no secret, no path of a machine and no host of a registry', () => {
    const own = 'test/docs.test.ts'
    expect(tracked.length).toBeGreaterThan(80)
    expect(tracked.filter((file) => file !== own).flatMap((file) => found(file, readFileSync(file, 'utf8')))).toEqual(
      [],
    )
    expect(readFileSync('package-lock.json', 'utf8')).not.toContain('"resolved"')
  })

  it('[D-07 twin] would be seen to hold one, and is not taken to by words about them', () => {
    const digits = 'aB3'.repeat(12)
    for (const [text, name] of [
      ['-----BEGIN RSA PRIVATE KEY-----', 'a private key'],
      [`{"d":"${digits}"}`, 'a private JWK'],
      [`eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4eHh4In0.${digits}`, 'a signed token'],
      [`client_secret: '${digits}'`, 'a secret written down'],
      ['see /home/alice/app', 'a path of a machine'],
      [`https://${['registry', 'npmjs', 'org'].join('.')}/x`, 'the host of a registry'],
    ] as const)
      expect(found('x', text), name).toEqual([`x: ${name}`])
    expect(found('x', "client_secret: process.env.CLIENT_SECRET ?? ''")).toEqual([])
    expect(readdirSync('.').length).toBeGreaterThan(0)
  })
})
