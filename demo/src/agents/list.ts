import { byId, make, onPress } from '../dom.js'
import { ask } from '../question.js'
import { fromNow } from '../time.js'
import type { Agent, Everything } from './api.js'
import { nameOf, redraw } from './redraw.js'

/** Actions for one agent and for all agents. They report their own failures. */
export interface AgentActions {
  consent(agent: Agent): Promise<void>
  withdraw(agent: Agent): Promise<void>
  start(agent: Agent): Promise<void>
  show(agent: Agent): void
  callOnce(agent: Agent): Promise<void>
  decommission(agent: Agent): Promise<void>
  stopAll(): Promise<void>
  resumeAll(): Promise<void>
}

/** Whether all agents are stopped, and whether the user may resume them. */
export type Switch = Pick<Everything, 'stopped' | 'administrator'>

export function drawAgents(
  agents: readonly Agent[],
  { stopped, administrator }: Switch,
  shown: string | undefined,
  actions: AgentActions,
) {
  // The steps of a run are shown elsewhere; only its state matters here.
  const state = agents.map(({ run, spent, held, ...agent }) => [agent, run?.state])
  redraw(byId('agent-list'), [state, stopped, shown], () =>
    agents.map((agent) => row(agent, stopped, agent.id === shown, actions)),
  )
  redraw(byId('switch'), [stopped, administrator], () => theSwitch({ stopped, administrator }, actions))
}

/** Moves the focus to an agent. */
export const focusAgent = (id: string): void => document.getElementById(id)?.focus()

function row(agent: Agent, stopped: boolean, isShown: boolean, actions: AgentActions): HTMLElement {
  const { id, role, scopes, createdAt, decommissionedAt, consented, budget } = agent
  const entry = make('li', { id, tabIndex: -1 })
  const ended = decommissionedAt !== undefined
  entry.dataset['state'] = ended ? 'revoked' : 'active'
  entry.append(
    make('h2', { id: `${id}-name` }, nameOf(id), make('span', { className: 'badge' }, stateOf(agent, stopped))),
    make('p', { className: 'facts' }, ...[id, ...scopes].map((text) => make('code', {}, text))),
    make(
      'dl',
      {},
      term('Role', role),
      term('Budget', `${budget.toLocaleString('en')} tokens a day`),
      ended ? term('Decommissioned', fromNow(decommissionedAt)) : term('Registered', fromNow(createdAt)),
      term('Acts for you', consented && !ended ? 'yes, until you withdraw it' : 'no'),
    ),
    buttons(agent, isShown, actions),
  )
  return entry
}

function stateOf({ decommissionedAt, run, runsHere }: Agent, stopped: boolean): string {
  if (decommissionedAt !== undefined) return 'Decommissioned'
  if (stopped) return 'Stopped'
  if (!runsHere) return 'Its process has ended'
  return run?.state === 'active' ? 'At work' : 'Idle'
}

const term = (name: string, text: string): HTMLElement => make('div', {}, make('dt', {}, name), make('dd', {}, text))

function buttons(agent: Agent, isShown: boolean, actions: AgentActions): HTMLElement {
  const { id, scopes, consented, runsHere, run, decommissionedAt } = agent
  const place = make('div', { className: 'choices' })
  const button = (name: string, text: string, className = '') => {
    const made = make('button', { type: 'button', className, id: `${id}-${name}` }, text)
    made.setAttribute('aria-describedby', `${id}-name`)
    place.append(made)
    return made
  }
  const pressed = (name: string, text: string, work: () => Promise<void>, className = '') =>
    onPress(button(name, text, className), work)
  const ended = decommissionedAt !== undefined
  if (ended) {
    if (runsHere) pressed('call', 'Let it try a call', () => actions.callOnce(agent))
    if (run && !isShown) pressed('show', 'Show its work', async () => actions.show(agent))
    return place
  }
  if (consented && runsHere && run?.state !== 'active')
    pressed('start', 'Start work', () => actions.start(agent), 'primary')
  if (!consented) {
    const consenting = button('consent', 'Let it act for you', 'primary')
    consenting.addEventListener('click', () =>
      ask({
        place,
        from: consenting,
        label: 'Let this agent act for you?',
        words: [
          make(
            'span',
            {},
            `For 30 days it may use ${scopes.join(', ')} on your behalf, while you are signed in. It asks before each write, before each call to another company, and before running code.`,
          ),
        ],
        yes: 'Allow',
        className: 'primary',
        work: () => actions.consent(agent),
      }),
    )
  }
  if (run && !isShown) pressed('show', 'Show its work', async () => actions.show(agent))
  if (runsHere) pressed('call', 'Let it make one call', () => actions.callOnce(agent))
  if (consented) pressed('withdraw', 'Withdraw consent', () => actions.withdraw(agent))
  const ending = button('end', 'Decommission', 'danger')
  ending.addEventListener('click', () =>
    ask({
      place,
      from: ending,
      label: 'Decommission this agent?',
      words: [make('span', {}, 'Its next call is refused, and its waiting calls are void. This is permanent.')],
      yes: 'Decommission permanently',
      className: 'danger',
      work: () => actions.decommission(agent),
    }),
  )
  return place
}

function theSwitch({ stopped, administrator }: Switch, { stopAll, resumeAll }: AgentActions): Node[] {
  const words = stopped
    ? 'All agents of your company are stopped: all their calls are refused.'
    : 'In an emergency, this stops every agent of your company, at the next call.'
  if (stopped && !administrator)
    return [make('p', { className: 'small' }, `${words} An administrator can resume them.`)]
  const button = make(
    'button',
    { type: 'button', id: 'stop-agents', className: stopped ? 'primary' : 'danger' },
    stopped ? 'Resume' : 'Stop all agents',
  )
  onPress(button, stopped ? resumeAll : stopAll)
  return [make('p', { className: 'small' }, words), button]
}
