import type { BudgetLine, BudgetWindow, Shortage } from './ledger.js'

/** A window of a budget: its name in storage, which is different for each window, and its end. */
interface Window {
  readonly name: string
  readonly resetsAt?: number
}

const MINUTE = 60
const DAY = 86_400

/** How many windows of each kind are kept, including the current one. */
export const windowsKept = { m: 120, d: 62, o: 25 } as const

/**
 * The window that contains a time (epoch seconds), in UTC. Engines that use the server's clock spell the names in the
 * same way.
 */
export function windowAt(kind: BudgetWindow, instant: number): Window {
  switch (kind) {
    case 'minute':
      return { name: `m${Math.floor(instant / MINUTE)}`, resetsAt: (Math.floor(instant / MINUTE) + 1) * MINUTE }
    case 'day':
      return { name: `d${Math.floor(instant / DAY)}`, resetsAt: (Math.floor(instant / DAY) + 1) * DAY }
    case 'month': {
      const date = new Date(instant * 1000)
      const month = date.getUTCFullYear() * 12 + date.getUTCMonth()
      return { name: `o${month}`, resetsAt: Date.UTC(Math.floor(month / 12), (month % 12) + 1) / 1000 }
    }
    case 'total':
      return { name: 't' }
  }
}

/**
 * The result for a line that has too little left, by the clock of the ledger, which may differ from that of the
 * process.
 */
export function shortageOf(line: BudgetLine, left: number, instant: number): Shortage {
  const { resetsAt } = windowAt(line.window, instant)
  const end = resetsAt !== undefined && { resetsAt, retryAfter: Math.max(1, Math.ceil(resetsAt - instant)) }
  return { ok: false, line, left: Math.max(0, left), ...end }
}

/** Whether a window is so old that it is no longer read. */
export function isExpiredWindow(name: string, instant: number): boolean {
  const kind = ({ m: 'minute', d: 'day', o: 'month' } as const)[name[0] ?? '']
  if (!kind) return false
  const present = Number(windowAt(kind, instant).name.slice(1))
  return present - Number(name.slice(1)) >= windowsKept[name[0] as keyof typeof windowsKept]
}
