import { setTimeout as pause } from 'node:timers/promises'
import type { Principal } from 'sallyport/guard'
import type { AgentHost, Borrow, Outcome } from './agent.js'
import { type PlannedCall, plan } from './planner.js'
import type { Registry } from './registry.js'

/** One call of a run, as shown to its user. */
export interface Step extends Pick<PlannedCall, 'tool' | 'as' | 'title'> {
  /** The arguments as canonical JSON. */
  args: string
  told: boolean
  /** `waiting`: for an approval; `away`: for the user, because the agent gets its tokens through their sign-in. */
  state: 'calling' | 'waiting' | 'away' | 'done' | 'refused'
  status?: number
  /** The code of a refusal. */
  error?: string
  /** The result, as JSON. */
  result?: string
  units?: number
  approval?: { id: string; code: string; expiresAt: number }
}

export interface Run {
  state: 'active' | 'over'
  startedAt: number
  steps: Step[]
}

/** The agent and its user. */
interface Errand {
  id: string
  tenant: string
  sub: string
}

/** Milliseconds for which a run waits for an absent user. */
const patience = 300_000
/** Seconds for which the user's token must still be valid. */
const least = 5
/** After these errors, no call of the agent can succeed. */
const final = ['agent_ended', 'agents_stopped', 'invalid_api_key', 'invalid_token', 'person_away', 'agent_not_found']

export type Runs = ReturnType<typeof createRuns>

/**
 * Runs the planner’s work, one call at a time. An agent acts for a user who is present: its token expires no later than the
 * user’s own, so each call exchanges the newest token that the user's page has sent.
 */
export function createRuns(registry: Registry, host: AgentHost) {
  const runs = new Map<string, Run>()
  /** The newest verified credential of each user. */
  const people = new Map<string, Principal>()
  const closing = new AbortController()

  async function present(sub: string, step: Step): Promise<Principal> {
    const until = Date.now() + patience
    for (;;) {
      const person = people.get(sub)
      if (person && (person.expiresAt ?? 0) - Date.now() / 1000 > least) return person
      if (Date.now() > until) throw Object.assign(new Error('away'), { code: 'person_away' })
      step.state = 'away'
      await pause(200, undefined, { signal: closing.signal })
    }
  }

  async function perform({ id, tenant, sub }: Errand, call: PlannedCall, step: Step): Promise<Outcome> {
    const borrow: Borrow = async (bound) => {
      const subject = await present(sub, step)
      step.state = 'calling'
      return (await registry.agents.exchange(id, { subject, ...bound })).access_token
    }
    const first = await host.call(id, call, borrow)
    const { approval } = first
    if (!approval) return first
    Object.assign(step, { state: 'waiting', approval })
    await registry.decided(tenant, approval.id, closing.signal)
    return host.call(id, call, borrow, approval.id)
  }

  async function go(errand: Errand, run: Run): Promise<void> {
    const work = plan()
    for (let next = work.next(); !next.done; ) {
      const { tool, as, title, args, told = false } = next.value
      const step: Step = { tool, as, title, args: JSON.stringify(args), told, state: 'calling' }
      run.steps.push(step)
      // A failed token request or connection counts as a refusal too.
      const outcome = await perform(errand, next.value, step).catch(
        ({ code = 'unavailable' }): Outcome => ({ status: 0, error: code }),
      )
      const { status, error, result, units } = outcome
      Object.assign(step, {
        state: error === undefined && status === 200 ? 'done' : 'refused',
        ...(status && { status }),
        ...(error !== undefined && { error }),
        ...(result !== undefined && { result: JSON.stringify(result) }),
        ...(units !== undefined && { units }),
      })
      if (closing.signal.aborted || final.includes(`${error}`)) return
      next = work.next(step.state === 'done' ? result : undefined)
    }
  }

  return {
    of: (id: string): Run | undefined => runs.get(id),

    /** A user who has just called with their own credential is present. */
    meet(person: Principal): void {
      people.set(person.sub, person)
    },

    forget(sub: string): void {
      people.delete(sub)
    },

    start(errand: Errand): void {
      const run: Run = { state: 'active', startedAt: Math.floor(Date.now() / 1000), steps: [] }
      runs.set(errand.id, run)
      void go(errand, run)
        .catch(() => {})
        .finally(() => {
          run.state = 'over'
        })
    },

    close: (): void => closing.abort(),
  }
}
