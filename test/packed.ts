import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

/** The package as others install it. */
export interface Packed {
  /** A folder in which it is installed, with its optional peers. */
  readonly folder: string
  readonly tarball: string
  /** The paths in the tarball. */
  readonly contents: readonly string[]
}

declare module 'vitest' {
  interface ProvidedContext {
    packed: Packed
  }
}

/** Packs and installs once for all tests of the package. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'))
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const [{ filename, files }] = JSON.parse(npm('.', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder))
  const tarball = join(folder, filename)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'elsewhere', private: true, type: 'module' }))
  const peers = ['msw@2', '@opentelemetry/api@1', 'react@19']
  npm(folder, 'install', '--no-audit', '--no-fund', '--ignore-scripts', tarball, ...peers)
  const contents = files.map(({ path }: { path: string }) => path)
  project.provide('packed', { folder, tarball, contents })
  return () => rmSync(folder, { recursive: true, force: true })
}
