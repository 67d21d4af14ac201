import { basename } from 'node:path'
import { build } from 'vite'
import { alias } from '../../vite.config.js'

const built = new Map<string, Promise<unknown>>()

/** A program of the tests as a script that Node can run, made from the sources as they are. Resolves to its path. */
export async function scriptOf(entry: string): Promise<string> {
  const name = `${basename(entry, '.ts')}.js`
  const making =
    built.get(entry) ??
    build({
      configFile: false,
      logLevel: 'error',
      resolve: { alias },
      build: {
        ssr: entry,
        outDir: 'test-results/worker',
        emptyOutDir: false,
        target: 'es2023',
        rolldownOptions: { external: /^(?!sallyport)[\w@]/, output: { entryFileNames: name } },
      },
    })
  built.set(entry, making)
  await making
  return `test-results/worker/${name}`
}
