import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Release } from '../services/script.js'

/**
 * A release as it was packed, `test/fixtures/sallyport-<version>.tgz`, unpacked where its imports find this repository's
 * dependencies.
 */
export function unpack(version: string): Release {
  const folder = resolve(`node_modules/.cache/sallyport-${version}`)
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', `test/fixtures/sallyport-${version}.tgz`, '-C', folder, '--strip-components=1'])
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as {
    exports: Record<string, { default?: string }>
  }
  const alias = Object.entries(exports).flatMap(([subpath, { default: file }]) =>
    file === undefined
      ? []
      : [{ find: new RegExp(`^sallyport${subpath.slice(1)}$`), replacement: resolve(folder, file) }],
  )
  return { name: `-${version}`, alias }
}

/** Where a release has a subpath, to be imported: `sallyport/bff`. */
export function fileOf({ alias }: Release, subpath: string): string {
  const found = alias.find(({ find }) => find.test(subpath))
  if (!found) throw new Error(`the release has no ${subpath}`)
  return found.replacement
}
