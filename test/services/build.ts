import { basename } from 'node:path'
import { build } from 'vite'
import { alias } from '../../vite.config.js'

const built = new Map<string, Promise<string>>()

/** A program of the tests (`test/store/worker.ts`) as a script that Node 20 can run, made from the sources as they are. */
export function buildProgram(source: string): Promise<string> {
  const found = built.get(source)
  if (found) return found
  const name = basename(source, '.ts')
  const making = build({
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: {
      ssr: source,
      outDir: `test-results/${name}`,
      emptyOutDir: false,
      target: 'es2023',
      rolldownOptions: { external: /^(?!sallyport)[\w@]/, output: { entryFileNames: `${name}.js` } },
    },
  }).then(() => `test-results/${name}/${name}.js`)
  built.set(source, making)
  return making
}
