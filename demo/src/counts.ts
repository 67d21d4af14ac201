import { type DemoState, readState } from './controls.js'
import { byId, setText } from './dom.js'

/** Updates the live counts while the page is visible. */
export function watchCounts(draw: (state: DemoState) => void): void {
  const look = async () => {
    if (!document.hidden) await readState().then(draw, () => {})
    setTimeout(look, 1000)
  }
  look()
}

export function drawCounts({ requests, grants, instances }: DemoState): void {
  byId('by-instance').hidden = byId('instances').hidden = !instances.length
  const processes = instances.map((one) => (one.alive ? count(one.requests) : `${count(one.requests)} †`))
  setText('count-instances', processes.join(' + '))
  setText('count-bff', count(requests.bff))
  setText('count-api', count(requests.api))
  setText('count-sign-ins', count(grants.authorization_code))
  setText('count-renewals', count(grants.refresh_token))
  setText('count-bytes', `${(scriptBytes() / 1000).toFixed(1)} kB`)
}

const count = (value: number) => value.toLocaleString('en')

/** The size of all scripts that this page has loaded, compressed (Brotli). */
function scriptBytes(): number {
  const entries = performance.getEntriesByType('resource') as PerformanceResourceTiming[]
  const sizes = new Map(entries.map(({ name, encodedBodySize }) => [name, encodedBodySize]))
  return [...sizes].reduce((sum, [name, size]) => (/\.js($|\?)/.test(name) ? sum + size : sum), 0)
}
