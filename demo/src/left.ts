import { byId } from './dom.js'
import { type Mode, mode } from './mode.js'

/** What a hunt came to in one mode, in words: what lies about, and what asking brings. */
export type Left = readonly [lying: string, asking: string]

const key = (of: Mode) => `fieldnotes left in ${of} mode`

/** Keeps this mode's line, so that it can be read beside the other one's after a switch; for this tab only. */
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
