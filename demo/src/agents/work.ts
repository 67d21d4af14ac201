import { byId, make, setText } from '../dom.js'
import type { Agent, Step } from './api.js'
import { credentials, explainStep } from './explain.js'
import { nameOf, redraw } from './redraw.js'

/** Shows the calls of an agent, one by one. */
export function drawWork(agent: Agent | undefined): void {
  const run = agent?.run
  byId('work-none').hidden = run !== undefined
  setText(
    'work-title',
    agent && run ? `${nameOf(agent.id)} ${run.state === 'active' ? 'at work' : 'is done'}` : 'At work',
  )
  redraw(byId('steps'), run?.steps ?? [], () => (run?.steps ?? []).map(entry))
}

const states: Record<Step['state'], string> = {
  calling: 'Calling',
  waiting: 'Waiting',
  away: 'Waiting for you',
  done: 'Done',
  refused: 'Refused',
}

function entry(step: Step): HTMLElement {
  const { title, tool, args, as, state, status, error, units, approval, told } = step
  const item = make(
    'li',
    {},
    make('h3', {}, title, make('span', { className: 'badge' }, states[state])),
    make('p', { className: 'call' }, make('code', {}, `${tool}(${args === '{}' ? '' : args})`)),
    make('p', {}, explainStep(step)),
    make(
      'p',
      { className: 'small' },
      [
        `with ${credentials[as]}`,
        ...(approval ? [`code ${approval.code}`] : []),
        ...(status ? [`${status}${error ? ` ${error}` : ''}`] : []),
        ...(units ? [`${units.toLocaleString('en')} tokens`] : []),
      ].join(' · '),
    ),
  )
  item.dataset['state'] = state
  item.dataset['told'] = `${told}`
  return item
}
