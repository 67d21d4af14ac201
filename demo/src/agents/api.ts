import { callAs } from '../management.js'

/** One call of a run. */
export interface Step {
  tool: string
  as: 'api_key' | 'delegated' | 'certificate'
  title: string
  /** The arguments, as canonical JSON. */
  args: string
  /** Whether a text that the agent has read contained the instruction. */
  told: boolean
  state: 'calling' | 'waiting' | 'away' | 'done' | 'refused'
  status?: number
  error?: string
  result?: string
  units?: number
  approval?: { code: string }
}

export interface Run {
  state: 'active' | 'over'
  startedAt: number
  steps: Step[]
}

/** An agent as shown to its owner. Times in epoch seconds. */
export interface Agent {
  id: string
  role: string
  scopes: string[]
  createdAt: number
  decommissionedAt?: number
  /** Whether its owner has consented. */
  consented: boolean
  /** Whether its process is still running. */
  runsHere: boolean
  /** Tokens a day, and those spent today. */
  budget: number
  spent: number
  held: number
  run?: Run
}

/** A call that waits for a person. */
export interface Waiting {
  id: string
  kind: 'user' | 'admin'
  code: string
  agent: string
  sub?: string
  tool: string
  args: string
  expiresAt: number
  /** Whether the agent acts for the user who reads this. */
  mine: boolean
  /** Whether this user may decide. */
  decides: boolean
}

export interface Row {
  seq: number
  at: number
  action: string
  decision: 'allowed' | 'refused'
  reason?: string
  agent?: string
  sub?: string
  hash: string
}

export interface Everything {
  agents: Agent[]
  waiting: Waiting[]
  trail: { last: number; rows: Row[] }
  stopped: boolean
  administrator: boolean
}

export type AuditResult =
  | { ok: true; covered: number; uncovered?: { from: number; to: number } }
  | { ok: false; fault: string; seq: number }

const send = (path: string, method?: string, body?: unknown): Promise<Response> =>
  callAs(`/api/agents${path}`, method, body)

const tell = async (path: string, method: string, body?: unknown): Promise<void> =>
  void (await send(path, method, body))

export const readEverything = async (): Promise<Everything> => (await send('')).json()
export const register = async (options: { name: string; role: string; budget: number }): Promise<{ id: string }> =>
  (await send('', 'POST', options)).json()
export const consent = (id: string): Promise<void> => tell(`/${id}/consent`, 'POST')
export const withdraw = (id: string): Promise<void> => tell(`/${id}/consent`, 'DELETE')
export const start = (id: string): Promise<void> => tell(`/${id}/run`, 'POST')
export const decommission = (id: string): Promise<void> => tell(`/${id}`, 'DELETE')
export const stopAll = (): Promise<void> => tell('/stop', 'POST')
export const resumeAll = (): Promise<void> => tell('/resume', 'POST')
/** Lets the agent make one call on its own behalf. */
export const callOnce = async (id: string): Promise<{ status: number; error?: string }> =>
  (await send(`/${id}/call`, 'POST')).json()
export const decide = ({ id, code }: Waiting, approve: boolean): Promise<void> =>
  tell(`/approvals/${id}`, 'POST', { approve, code })
export const verify = async (): Promise<{ result: AuditResult; kept: number }> => (await send('/audit/result')).json()
export const download = async (): Promise<Blob> => (await send('/audit')).blob()
