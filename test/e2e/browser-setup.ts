import type { TestProject } from 'vitest/node'
import { startBrowser } from './find-browser.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the browser of this run can be reached. */
    browser: string
  }
}

/** Before the browser tests: one browser for all of them, or a failure that says what to do. Never a skip. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startBrowser(project.config.env['FULL'] === '1')
  project.provide('browser', server.wsEndpoint())
  return () => server.close()
}
