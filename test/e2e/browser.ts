import { type Browser, chromium } from 'playwright-core'
import { inject } from 'vitest'

/** The one browser of a run. Closing what this resolves to ends its contexts, not the browser. */
export const launchBrowser = (): Promise<Browser> => chromium.connect(inject('browser'))
