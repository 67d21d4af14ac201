import type { Issued } from '../controls.js'
import { listenDuring } from './messages.js'
import { type Collect, places } from './places.js'
import { type Found, recognise } from './recognise.js'

/** The number of tokens found in one place, never the tokens. */
export interface Finding extends Found {
  place: string
}

/**
 * Searches for tokens everywhere a script of this page can read, like an injected script. `provoke` makes
 * the page send messages to its backend and its other tabs meanwhile.
 */
export async function hunt(issued: readonly Issued[], provoke: () => Promise<void>): Promise<Finding[]> {
  const findings: Finding[] = []
  const search = async (place: string, look: (collect: Collect) => void | Promise<void>) => {
    const texts = new Set<string>()
    await look((text) => {
      if (typeof text === 'string' && text.length > 19) texts.add(text)
    })
    findings.push({ place, ...(await recognise(texts, issued)) })
  }
  await search('messages between tabs', (collect) => listenDuring(provoke, collect))
  for (const { name, look } of places) await search(name, look)
  return findings
}
