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

it('[S-80] claims cannot be read without asking who is signed in, and what else must not compile does not', () => {
  const folder = 'node_modules/.cache/types'
  mkdirSync(folder, { recursive: true })
  const text = readFileSync('test/types/refuses.ts', 'utf8')
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
  writeFileSync(`${folder}/refuses.ts`, text)
  expect(tsc(folder)).toBe('')
  // Without the marks each of those lines is an error of its own.
  const marks = text.split('// @ts-expect-error').length - 1
  expect(marks).toBeGreaterThan(10)
  writeFileSync(`${folder}/refuses.ts`, text.replaceAll('@ts-expect-error', 'unmarked'))
  expect(tsc(folder).match(/error TS/g)?.length).toBeGreaterThanOrEqual(marks)
}, 60_000)
