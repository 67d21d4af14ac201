import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const tsc = (project: string) => {
  try {
    return execFileSync('node_modules/.bin/tsc', ['-p', project], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

/** Compiles a file of `test/types` by itself, as it is and without its marks; each marked line is an error of its own then. */
function expectRefusals(name: string, least: number): void {
  const folder = `node_modules/.cache/types-${name}`
  mkdirSync(folder, { recursive: true })
  const text = readFileSync(`test/types/${name}.ts`, 'utf8')
  const compilerOptions = {
    noEmit: true,
    composite: false,
    incremental: false,
    module: 'ESNext',
    moduleResolution: 'bundler',
    types: [],
    skipLibCheck: true,
    noUnusedLocals: false,
  }
  writeFileSync(
    `${folder}/tsconfig.json`,
    JSON.stringify({ extends: '../../../tsconfig.base.json', compilerOptions, include: ['*.ts'] }),
  )
  writeFileSync(`${folder}/${name}.ts`, text)
  expect(tsc(folder)).toBe('')
  const marks = text.split('// @ts-expect-error').length - 1
  expect(marks).toBeGreaterThan(least)
  writeFileSync(`${folder}/${name}.ts`, text.replaceAll('@ts-expect-error', 'unmarked'))
  expect(tsc(folder).match(/error TS/g)?.length).toBeGreaterThanOrEqual(marks)
}

it('[S-80] claims cannot be read without asking who is signed in, and what else must not compile does not', () => {
  expectRefusals('refuses', 10)
}, 60_000)

it('claims are known everywhere by one declaration in Register', () => {
  expectRefusals('register', 4)
}, 60_000)
