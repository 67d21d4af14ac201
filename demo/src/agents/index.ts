import { byId, onPress, setNotice, setText } from '../dom.js'
import { explainError } from '../words.js'
import type { Agent, Everything, Waiting } from './api.js'
import * as api from './api.js'
import { type AgentActions, drawAgents, focusAgent } from './list.js'
import { nameOf } from './redraw.js'
import { drawSpent } from './spent.js'
import { clearTrail, drawTrail, setUpTrail } from './trail.js'
import { announce, drawWaiting } from './waiting.js'
import { drawWork } from './work.js'

/** Milliseconds between two requests while an agent is working. */
const interval = 1000

let known: ReadonlySet<string> = new Set()
/** The agent whose work is shown. */
let shown: string | undefined
let next: number | undefined

setUpTrail()
onPress('agents-retry', loadAgents)
onPress('agents-refresh', loadAgents)
document.addEventListener('visibilitychange', () => {
  if (isSeen()) loadAgents()
})
byId('register').addEventListener('submit', (event) => {
  event.preventDefault()
  register()
})

const isSeen = (): boolean => !document.hidden && !byId('agents').hidden

/** Shows the agents of the signed-in user, with their calls, budgets and trail. */
export async function loadAgents(): Promise<void> {
  await attempt(async () => draw(await api.readEverything()))
}

/** Clears the view when the user is no longer signed in. */
export function clearAgents(): void {
  clearTimeout(next)
  known = new Set()
  shown = undefined
  for (const id of ['register-error', 'agents-error']) byId(id).hidden = true
  setText('agents-status', '')
  drawAgents([], { stopped: false, administrator: false }, undefined, actions)
  drawWaiting([], [], decide)
  drawWork(undefined)
  drawSpent([])
  clearTrail()
}

function draw({ agents, waiting, trail, stopped, administrator }: Everything): void {
  const newest = agents.filter(({ run }) => run).sort((a, b) => (b.run?.startedAt ?? 0) - (a.run?.startedAt ?? 0))
  const agent = agents.find(({ id }) => id === shown) ?? newest[0]
  drawAgents(agents, { stopped, administrator }, agent?.id, actions)
  drawWaiting(waiting, agents, decide)
  drawWork(agent)
  drawSpent(agents)
  drawTrail(trail, administrator)
  const news = announce(waiting, known)
  if (news !== undefined) setText('agents-status', news)
  known = new Set(waiting.map(({ id }) => id))
  // Only while an agent is working and the page is visible: constant requests would keep the session from being idle.
  clearTimeout(next)
  if (agents.some(({ run }) => run?.state === 'active'))
    next = window.setTimeout(() => isSeen() && loadAgents(), interval)
}

async function attempt(work: () => Promise<void>): Promise<void> {
  byId('agents-error').hidden = true
  try {
    await work()
  } catch (error) {
    setText('agents-error-text', explainError(error))
    byId('agents-error').hidden = false
  }
}

/** Does something, shows a message, and loads the list again. */
const does =
  (work: (agent: Agent) => Promise<void>, words: (name: string) => string) =>
  (agent: Agent): Promise<void> =>
    attempt(async () => {
      await work(agent)
      setText('agents-status', words(nameOf(agent.id)))
      await loadAgents()
    })

const all = (work: () => Promise<void>, words: string) => () =>
  attempt(async () => {
    await work()
    setText('agents-status', words)
    await loadAgents()
  })

const actions: AgentActions = {
  consent: does(
    ({ id }) => api.consent(id),
    (name) => `${name} may act for you.`,
  ),
  withdraw: does(
    ({ id }) => api.withdraw(id),
    (name) => `${name} may no longer act for you: its tokens have ended.`,
  ),
  start: does(
    ({ id }) => {
      shown = id
      return api.start(id)
    },
    (name) => `${name} is at work.`,
  ),
  show({ id }) {
    shown = id
    loadAgents()
    byId('work-title').focus()
  },
  callOnce: (agent) =>
    attempt(async () => {
      const { status, error } = await api.callOnce(agent.id)
      const no = status ? `was refused: ${status} ${error}.` : `does not get its own token (${error}).`
      const words = error ? no : 'has read the public notices, with its own token.'
      await loadAgents()
      setText('agents-status', `${nameOf(agent.id)} ${words}`)
    }),
  decommission: async (agent) => {
    const words = (name: string) => `${name} is decommissioned: its next call is refused.`
    await does(({ id }) => api.decommission(id), words)(agent)
    focusAgent(agent.id)
  },
  stopAll: all(api.stopAll, 'All agents are stopped.'),
  resumeAll: all(api.resumeAll, 'Agents may work again. Tokens from before stay refused.'),
}

const decide = (call: Waiting, approve: boolean): Promise<void> =>
  attempt(async () => {
    await api.decide(call, approve)
    setText('agents-status', `${approve ? 'Approved' : 'Denied'}: ${call.tool}, ${call.code}.`)
    await loadAgents()
    byId('waiting-title').focus()
  })

let registering = false

async function register(): Promise<void> {
  if (registering) return
  setNotice('register-error', undefined)
  registering = true
  try {
    const { value: name } = byId<HTMLInputElement>('agent-name')
    const { value: role } = byId<HTMLSelectElement>('agent-role')
    const { id } = await api.register({ name, role, budget: byId<HTMLInputElement>('agent-budget').valueAsNumber })
    byId<HTMLFormElement>('register').reset()
    setText('agents-status', `${nameOf(id)} is registered.`)
    await loadAgents()
    focusAgent(id)
  } catch (error) {
    setNotice('register-error', explainError(error))
  } finally {
    registering = false
  }
}
