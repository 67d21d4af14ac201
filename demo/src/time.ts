const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const units: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
]

/** A time (epoch seconds) relative to now: `3 minutes ago`, `in 30 days`. */
export function fromNow(instant: number): string {
  const seconds = instant - Date.now() / 1000
  const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) ?? []
  if (size === undefined || unit === undefined) return seconds > 0 ? 'in less than a minute' : 'just now'
  return ago.format(Math.round(seconds / size), unit)
}
