import { byId } from './dom.js'
import { type Mode, mode } from './mode.js'

/** The result of a search in one mode: what is readable, and what the backend returns. */
export type Left = readonly [lying: string, asking: string]

const key = (of: Mode) => `fieldnotes left in ${of} mode`

/** Stores this mode's row for this tab, so that both rows are visible after a switch. */
export function keepLeft(left: Left): void {
  try {
    sessionStorage.setItem(key(mode), JSON.stringify(left))
  } catch {}
  draw(mode, left)
}

export function drawLeft(): void {
  for (const of of ['token-mediating', 'proxy'] as const) {
    try {
      const left: Left | null = JSON.parse(sessionStorage.getItem(key(of)) ?? 'null')
      if (left) draw(of, left)
    } catch {}
  }
}

function draw(of: Mode, left: Left): void {
  const cells = byId(`left-${of}`).querySelectorAll('td')
  left.forEach((words, at) => {
    const cell = cells[at]
    if (cell) cell.textContent = words
  })
}
