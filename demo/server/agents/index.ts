import { agentToken, createTokenEndpoint } from 'sallyport/agents'
import { accessToken, createGuard, type Guard } from 'sallyport/guard'
import type { ApiKeys } from 'sallyport/keys'
import type { Ledger, RecordStore } from 'sallyport/store'
import { createAgentHost } from './agent.js'
import { createAgentConsole } from './console.js'
import { startCourier } from './courier.js'
import { createRegistry } from './registry.js'
import { createRuns } from './runs.js'
import { createToolDoor, type NoteStore, sandbox, toolRules } from './tools.js'
import { createView } from './view.js'

export interface AgentDeskSettings {
  /** The app's origin. Tools are at `/api/tools`, the agents’ authorization server is at `/agents/…`. */
  origin: string
  /** The API’s resource indicator. */
  resource: string
  tenant: string
  store: RecordStore
  ledger: Ledger
}

/** The guard of the API needs the first part; the second part needs the guard. */
export async function openAgentDesk({ origin, resource, tenant, store, ledger }: AgentDeskSettings) {
  const issuer = `${origin}/agents`
  const tools = `${origin}/api/tools`
  const courier = await startCourier()
  const registry = createRegistry({
    issuer,
    resource,
    resources: [courier.resource],
    store,
    ledger,
    tools: toolRules,
    sandbox,
  })
  const { agents, tokens } = registry
  const host = createAgentHost({ tools, issuer, courier })
  const runs = createRuns(registry, host)
  const authenticator = () => agentToken(agents, accessToken({ issuer, algs: tokens.algs, keys: tokens.keys }))

  return {
    registry,
    accept: authenticator(),

    open(protect: Guard, keys: ApiKeys, notes: NoteStore) {
      const door = createToolDoor({ registry, notes })
      courier.handle(door.external(createGuard({ resource: courier.resource, accept: [authenticator()] })))
      return {
        console: createAgentConsole({
          registry,
          host,
          runs,
          keys,
          ledger,
          protect,
          view: createView({ registry, host, runs, ledger }),
        }),
        tools: { fetch: door.own(protect) },
        endpoint: createTokenEndpoint({ agents, tokens }),
      }
    },

    /** Ends the agents' tokens for a user when the sign-in ends. */
    async signedOut({ iss, sub }: { iss: string; sub: string }): Promise<void> {
      runs.forget(sub)
      await agents.endDelegations({ iss, sub }, { tenant })
    },

    async close(): Promise<void> {
      runs.close()
      await courier.close()
    },
  }
}

export type AgentDesk = Awaited<ReturnType<typeof openAgentDesk>>
