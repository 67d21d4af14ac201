import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { alias } from '../../vite.config.js'

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** The handler's tests, everything they use included, as one module without imports but `node:`. */
export async function bundle(outDir: string): Promise<string> {
  await build({
    configFile: false,
    mode: 'runtimes',
    logLevel: 'error',
    resolve: { alias, conditions: ['browser', 'import', 'default'] },
    define: { 'process.env': '{}' },
    build: {
      outDir,
      emptyOutDir: true,
      minify: false,
      target: 'es2023',
      lib: { entry: here('./entry.ts'), formats: ['es'], fileName: () => 'tests.mjs' },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  })
  return `${outDir}/tests.mjs`
}
