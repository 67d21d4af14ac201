/** A page in a real browser, as far as the tests of all engines need one. */
export interface Tab {
  go(url: string): Promise<void>
  /** Runs the body of an async function there. */
  run<Value>(body: string): Promise<Value>
  /** A person's click. */
  click(selector: string): Promise<void>
  close(): Promise<void>
}

/** A real browser. */
export interface Engine {
  readonly name: string
  /** A tab of a fresh profile: no cookie, no other tab. */
  fresh(): Promise<Tab>
  /** The window that a page has opened. */
  popup(): Promise<Tab>
  /** How many there are. */
  windows(): Promise<number>
  close(): Promise<void>
}

/** Waits until a page says so. */
export async function until(tab: Tab, condition: string, milliseconds = 10_000): Promise<void> {
  const end = Date.now() + milliseconds
  for (;;) {
    if (await tab.run<boolean>(`return !!(${condition})`).catch(() => false)) return
    if (Date.now() > end) throw new Error(`not within ${milliseconds} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
