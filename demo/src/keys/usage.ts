import { byId, make, plural } from '../dom.js'
import { fromNow } from '../time.js'
import { type ApiKey, type Outcome, outcomes, type Use } from './api.js'

const names: Record<Outcome, string> = {
  accepted: 'accepted',
  insufficient_scope: 'scope missing',
  refused: 'refused',
  limited: 'too many',
  unavailable: 'no answer',
}
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const height = 60

/** Shows the use of the keys in the last minutes: as a chart, and as a table for screen readers. */
export function drawUse({ minutes, noticed }: Use, keys: readonly ApiKey[]): void {
  const totals = outcomes.map((name) => [name, minutes.reduce((sum, minute) => sum + minute[name], 0)] as const)
  const seen = totals.filter(([name, count]) => count > 0 || name === 'accepted').map(([name]) => name)
  const words = totals.flatMap(([name, count]) => (count ? [`${count} ${names[name]}`] : []))
  const summary = `Last ${minutes.length} minutes: ${words.join(', ') || 'no calls'}.`
  byId('usage').replaceChildren(
    chart(minutes, summary),
    make(
      'p',
      { className: 'axis', ariaHidden: 'true' },
      make('span', {}, `${minutes.length} minutes ago`),
      make('span', {}, 'now'),
    ),
    legend(totals.filter(([name]) => seen.includes(name))),
    ...noticed.map((notice) => remark(notice, keys)),
    table(minutes, seen),
  )
}

/** Clears the view when the user is no longer signed in. */
export const clearUse = (): void => byId('usage').replaceChildren()

function chart(minutes: Use['minutes'], summary: string): HTMLElement {
  const most = Math.max(1, ...minutes.map(sumOf))
  const svg = svgOf('svg', {
    viewBox: `0 0 ${minutes.length * 10} ${height}`,
    preserveAspectRatio: 'none',
    role: 'img',
  })
  svg.setAttribute('aria-label', summary)
  minutes.forEach((minute, at) => {
    let top = height
    for (const name of outcomes) {
      const size = (minute[name] / most) * height
      top -= size
      if (size) svg.append(svgOf('rect', { x: at * 10 + 1, y: top, width: 8, height: size, class: name }))
    }
  })
  const frame = make('div', { className: 'chart' }, make('span', { className: 'most', ariaHidden: 'true' }, `${most}`))
  frame.append(svg)
  return frame
}

function svgOf(name: 'svg' | 'rect', attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`)
  return element
}

const sumOf = (minute: Use['minutes'][number]): number => outcomes.reduce((sum, name) => sum + minute[name], 0)

const legend = (totals: (readonly [Outcome, number])[]): HTMLElement =>
  make(
    'ul',
    { className: 'legend' },
    ...totals.map(([name, count]) => make('li', { className: name }, `${count} ${names[name]}`)),
  )

function remark({ id, kind, at }: Use['noticed'][number], keys: readonly ApiKey[]): HTMLElement {
  const name = keys.find((key) => key.id === id)?.name ?? 'a key'
  const what = kind === 'burst' ? `“${name}” was called in a burst` : `“${name}” came from a new network`
  return make('p', { className: 'small remark' }, `Noticed ${fromNow(at)}: ${what}.`)
}

function table(minutes: Use['minutes'], seen: readonly Outcome[]): HTMLElement {
  const used = minutes.filter(sumOf).reverse()
  const head = make(
    'tr',
    {},
    ...['Minute', ...seen.map((name) => names[name])].map((text) => make('th', { scope: 'col' }, text)),
  )
  const rows = used.map((minute) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, clock.format(minute.at * 1000)),
      ...seen.map((name) => make('td', {}, `${minute[name]}`)),
    ),
  )
  return make(
    'details',
    {},
    make('summary', {}, 'As a table'),
    used.length
      ? make('table', { className: 'left' }, make('thead', {}, head), make('tbody', {}, ...rows))
      : make('p', { className: 'small' }, `No call with any of your keys in ${plural(minutes.length, 'minute')}.`),
  )
}
