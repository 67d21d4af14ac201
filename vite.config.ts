import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const { exports: subpaths, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))

/** One entry per subpath and condition: `./dist/bff/index.js` is built from `src/bff/index.ts`. */
const entry = Object.fromEntries(
  Object.values<{ default?: string; development?: string }>(subpaths)
    .flatMap(({ default: file, development }) => [file, development])
    .flatMap((file) => {
      const name = file?.replace('./dist/', '').replace(/\.js$/, '')
      return name ? [[name, `src/${name}.ts`]] : []
    }),
)
/** The package's own name leads to its sources. */
export const alias = Object.entries(entry).map(([name, file]) => ({
  find: new RegExp(`^sallyport${name === 'client/index' ? '' : `/${name.replace(/\/index$/, '')}`}$`),
  replacement: new URL(file, import.meta.url).pathname,
}))
const external = [...Object.keys(dependencies), ...Object.keys(peerDependencies), 'node:']

export default defineConfig(({ mode }) => ({
  build: {
    lib: { entry, formats: ['es'] },
    outDir: 'dist',
    emptyOutDir: false,
    minify: false,
    target: 'es2022',
    rolldownOptions: {
      external: (id) => external.some((name) => id === name || id.startsWith(name.endsWith(':') ? name : `${name}/`)),
      // package.json lists the built files: of the sources all count.
      treeshake: { moduleSideEffects: true },
      // One file in dist for each in src, types beside it: what a debugger shows is what the repository holds.
      output: { preserveModules: true, preserveModulesRoot: 'src', entryFileNames: '[name].js' },
    },
  },
  resolve: { alias },
  test: {
    reporters: ['default', './test/cases-reporter.ts'],
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          // Modules are loaded once for each process, here and below: half of what the tests cost was loading them again.
          isolate: false,
          setupFiles: ['test/setup.ts'],
          exclude: [
            'test/{client,store,e2e,runtimes,firefox,webkit,releases}/**',
            'test/{package,size,recipes}.test.ts',
          ],
          env: { FULL: mode === 'full' ? '1' : '' },
          testTimeout: mode === 'full' ? 300_000 : 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'page',
          environment: './test/client/environment.ts',
          setupFiles: ['test/setup.ts'],
          testTimeout: 60_000,
          include: ['test/client/**/*.test.ts', ...(mode === 'full' ? ['test/releases/page.test.ts'] : [])],
        },
      },
      {
        extends: true,
        test: {
          name: 'store',
          environment: 'node',
          isolate: false,
          setupFiles: ['test/setup.ts'],
          include: ['test/store/**/*.test.ts'],
          globalSetup: ['test/store/setup.ts'],
          env: { FULL: mode === 'full' ? '1' : '' },
          // They mostly wait: for processes that die, and for those who take over from them.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          testTimeout: mode === 'full' ? 900_000 : 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'package',
          environment: 'node',
          include: ['test/{package,size,recipes}.test.ts'],
          globalSetup: ['test/packed.ts'],
          env: { FULL: mode === 'full' ? '1' : '' },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          environment: 'node',
          isolate: false,
          setupFiles: ['test/setup.ts'],
          include: ['test/e2e/**/*.test.ts'],
          env: { FULL: mode === 'full' ? '1' : '' },
          globalSetup: ['test/e2e/browser-setup.ts'],
          // They mostly wait, too: for a browser.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      ...(mode === 'full'
        ? [
            {
              extends: true as const,
              test: {
                name: 'runtimes',
                environment: 'node' as const,
                include: ['test/{runtimes,firefox,webkit}/**/*.test.ts', 'test/releases/beside.test.ts'],
                sequence: { groupOrder: 3 },
                testTimeout: 300_000,
                hookTimeout: 120_000,
              },
            },
          ]
        : []),
    ],
  },
}))
