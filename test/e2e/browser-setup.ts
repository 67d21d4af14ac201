import { ensureBrowser } from './browser.js'

/** Before the browser tests: a browser, or a failure that says what to do. Never a skip. */
export default function setup(): void {
  ensureBrowser()
}
