import { byId, duration, make, onPress } from '../dom.js'
import type { Agent, Waiting } from './api.js'
import { nameOf, redraw } from './redraw.js'

export type Decide = (call: Waiting, approve: boolean) => Promise<void>

/** Shows the waiting calls, each exactly and as text, because an agent has written it. */
export function drawWaiting(waiting: readonly Waiting[], agents: readonly Agent[], decide: Decide): void {
  byId('waiting-none').hidden = waiting.length > 0
  const told = agents
    .flatMap(({ run }) => run?.steps ?? [])
    .filter((step) => step.told)
    .map(({ approval }) => approval?.code)
  redraw(byId('waiting-list'), waiting, () => waiting.map((call) => entry(call, told.includes(call.code), decide)))
  tick()
}

// Reads the clock once a second, without a request.
setInterval(tick, 1000)

function tick(): void {
  for (const clock of document.querySelectorAll<HTMLElement>('#waiting-list [data-until]')) {
    const left = Number(clock.dataset['until']) - Date.now() / 1000
    clock.textContent = left > 0 ? `${duration(left)} left` : 'too late'
  }
}

function entry(call: Waiting, isTold: boolean, decide: Decide): HTMLElement {
  const { id, code, agent, sub, tool, args, expiresAt, mine, decides } = call
  const clock = make('span', { className: 'small' })
  clock.dataset['until'] = `${expiresAt}`
  const item = make(
    'li',
    {},
    make('h3', { id: `${id}-title` }, make('code', {}, tool), ` for ${mine ? 'you' : sub}`),
    make('p', { className: 'facts' }, make('code', {}, agent), make('code', {}, code), clock),
    make('pre', { tabIndex: 0, ariaLabel: `The exact arguments of ${tool}` }, args),
  )
  if (isTold)
    item.append(
      make(
        'p',
        { className: 'notice' },
        'This is not part of its work: a text that the agent has read told it to do this. Nothing has been done yet.',
      ),
    )
  item.append(decides ? buttons(call, decide) : elsewhere())
  return item

  function buttons(call: Waiting, decide: Decide): HTMLElement {
    const made = (['approve', 'deny'] as const).map((choice) => {
      const properties = { type: 'button' as const, id: `${id}-${choice}` }
      const button =
        choice === 'approve'
          ? make('button', { ...properties, className: 'primary' }, 'Approve')
          : make('button', { ...properties, className: 'danger' }, 'Deny')
      button.setAttribute('aria-describedby', `${id}-title`)
      onPress(button, () => decide(call, choice === 'approve'))
      return button
    })
    return make('div', { className: 'choices' }, ...made)
  }
}

/** Administrators cannot approve calls of their own agents. */
const elsewhere = (): HTMLElement =>
  make(
    'p',
    { className: 'small' },
    'Waits for an administrator: you cannot approve this for yourself. To act as administrator, open this page in a private window, sign in as ',
    make('b', {}, 'bob'),
    ' (the password is on the sign-in page), and compare the code.',
  )

/** A message about calls that are new since the last request. */
export function announce(waiting: readonly Waiting[], known: ReadonlySet<string>): string | undefined {
  const news = waiting.filter(({ id }) => !known.has(id))
  const [first] = news
  if (!first) return undefined
  return `${nameOf(first.agent)} requests ${first.tool}: it waits for ${first.decides ? 'you' : 'an administrator'}.`
}
