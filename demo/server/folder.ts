import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder `demo/`, both from source and from the bundle. */
export function demoFolder(): string {
  let at = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(at, 'index.html'))) {
    if (at === dirname(at)) throw new Error('The demo cannot find its own index.html.')
    at = dirname(at)
  }
  return at
}
