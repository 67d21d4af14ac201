import { byId, make } from '../dom.js'
import type { Agent } from './api.js'
import { nameOf, redraw } from './redraw.js'

/** Shows how much of today’s budget each agent has spent: as a bar and as text. */
export function drawSpent(agents: readonly Agent[]): void {
  byId('spent-none').hidden = agents.length > 0
  const state = agents.map(({ id, budget, spent, held }) => [id, budget, spent, held])
  redraw(byId('spent'), state, () => agents.map(entry))
}

function entry({ id, budget, spent, held }: Agent): HTMLElement {
  const words = `${spent.toLocaleString('en')} of ${budget.toLocaleString('en')} tokens`
  const reserved = held ? `, ${held.toLocaleString('en')} reserved` : ''
  const svg = svgOf('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none', role: 'img' })
  svg.setAttribute('aria-label', `${nameOf(id)} has spent ${words} today${reserved}.`)
  const wide = (amount: number) => (budget ? Math.min(100, (amount / budget) * 100) : 0)
  svg.append(
    svgOf('rect', { x: 0, y: 0, width: 100, height: 6, class: 'budget' }),
    svgOf('rect', { x: 0, y: 0, width: wide(spent + held), height: 6, class: 'held' }),
    svgOf('rect', { x: 0, y: 0, width: wide(spent), height: 6, class: 'spent-bar' }),
  )
  const item = make('li', {}, make('span', {}, nameOf(id)), make('span', { className: 'small' }, words + reserved))
  item.append(svg)
  return item
}

function svgOf(name: 'svg' | 'rect', attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`)
  return element
}
