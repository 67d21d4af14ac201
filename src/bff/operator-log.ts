import { monotonicClock, type Now } from '../protocol/time.js'
import { oneLine } from '../provider/failures/provider-text.js'
import type { BffEvent, Emit } from './events.js'
import { operatorLine } from './operator-lines.js'

/** Seconds in which at most one line of a subject is printed. */
const INTERVAL = 60
/** Further subjects share one line: no sequence of events fills a log. */
const MAX_SUBJECTS = 50
const OTHERS = 'others'

export interface OperatorLog {
  emit: Emit
  /** Prints the configuration. Only the first call does anything. */
  start(line: () => string): void
  /** Prints how often lines were repeated since they were printed. */
  flush(): void
}

/**
 * Prints to the console what the operator must act on, for backends without `onEvent`: the first event of a subject at once, then one
 * line with the number of repetitions, when a minute has passed and something happens. There is no timer: some runtimes allow none
 * outside a request.
 */
export function createOperatorLog({ now, development }: { now: Now; development: boolean }): OperatorLog {
  const clock = monotonicClock(now)
  const printed = new Map<string, { text: string; since: number; repeated: number }>()
  let started = false

  /** Prints the repetitions of those that are due, and forgets those that have none. */
  function printRepetitions(isDue: (since: number) => boolean): void {
    for (const [subject, entry] of printed) {
      if (!isDue(entry.since)) continue
      const { text, repeated } = entry
      if (repeated) console.error(`${text} (${repeated} more since the last line)`)
      if (repeated) Object.assign(entry, { since: clock(), repeated: 0 })
      else printed.delete(subject)
    }
  }

  function print(subject: string, text: string): void {
    const entry = printed.get(subject)
    if (entry) {
      entry.text = text
      entry.repeated++
      return
    }
    if (printed.size >= MAX_SUBJECTS && subject !== OTHERS) {
      print(OTHERS, text)
      return
    }
    printed.set(subject, { text, since: clock(), repeated: 0 })
    console.error(text)
  }

  return {
    emit(event: BffEvent) {
      if (printed.size) printRepetitions((since) => clock() - since >= INTERVAL)
      const line = operatorLine(event, { development })
      if (line) print(line.subject, oneLine(`[sallyport] ${line.text}`))
    },
    start(line) {
      if (started) return
      started = true
      console.info(oneLine(`[sallyport] ${line()}`))
    },
    flush: () => printRepetitions(() => true),
  }
}
