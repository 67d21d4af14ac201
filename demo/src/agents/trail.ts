import { byId, make, onPress, plural, setText } from '../dom.js'
import { explainError } from '../words.js'
import { type AuditResult, download, type Everything, type Row, verify } from './api.js'
import { redraw } from './redraw.js'

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** Shows the newest rows of the trail, the newest first. */
export function drawTrail({ rows }: Everything['trail'], administrator = false): void {
  // The trail of the whole company: administrators only.
  byId('trail-download').hidden = !administrator
  redraw(byId('trail'), rows, () => rows.map(entry))
}

export function clearTrail(): void {
  setText('audit-result', '')
  drawTrail({ last: 0, rows: [] })
}

export function setUpTrail(): void {
  const attempt = (work: () => Promise<void>) => async () => {
    try {
      await work()
    } catch (error) {
      say(explainError(error), false)
    }
  }
  onPress(
    'trail-verify',
    attempt(async () => {
      const { result, kept } = await verify()
      say(words(result, kept), result.ok)
    }),
  )
  onPress(
    'trail-download',
    attempt(async () => {
      const url = URL.createObjectURL(await download())
      make('a', { href: url, download: 'audit.jsonl' }).click()
      URL.revokeObjectURL(url)
    }),
  )
}

function say(text: string, good: boolean): void {
  byId('audit-result').dataset['kind'] = good ? 'good' : 'bad'
  setText('audit-result', text)
}

function words(result: AuditResult, kept: number): string {
  if (!result.ok) return `Row ${result.seq} is not what was written: ${result.fault}.`
  if (!kept) return 'The rows are consistent. No head was stored since the demo was started, so none covers them.'
  const rest = result.uncovered
  const more = rest ? ` Rows ${rest.from} to ${rest.to} follow it, and no head covers them yet.` : ''
  return `Intact: ${plural(result.covered, 'row')}, covered by the head that is stored outside the store.${more}`
}

function entry({ seq, at, action, decision, reason, agent, sub, hash }: Row): HTMLElement {
  // Agents act for people; people act on agents.
  const who = action.startsWith('tool:') ? [agent, 'for', sub] : [sub, 'about', agent]
  const words = agent === undefined || sub === undefined ? [agent ?? sub] : who
  const item = make(
    'li',
    {},
    make('span', { className: 'seq' }, `${seq}`),
    make(
      'p',
      {},
      make('span', { className: 'decision' }, decision),
      make('code', {}, action),
      reason === undefined ? '' : make('code', { className: 'reason' }, reason),
    ),
    make(
      'p',
      { className: 'small' },
      `${words.join(' ')} · `,
      make('time', { dateTime: new Date(at * 1000).toISOString() }, clock.format(at * 1000)),
      ' · ',
      make('code', { title: hash }, `${hash.slice(0, 8)}…`),
    ),
  )
  item.dataset['decision'] = decision
  return item
}
