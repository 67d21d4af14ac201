import type { Principal } from '../../protocol/principal.js'
import type { ToolRule } from './rules.js'

/** Requirements of a guard, and the rule of a tool. */
export interface Scenario {
  readonly requirements: {
    readonly methods: readonly Principal['method'][]
    readonly scopes: readonly string[]
    readonly bound?: boolean
  }
  readonly tool: ToolRule
}

/**
 * Four kinds of agents' actions with their requirements: `requirements` is for a guard, `tool` is a rule for `createToolAccess`.
 *
 * ```ts
 * protect.handler(scenarios.modifyUserData.requirements, answer)
 * createToolAccess({ tools: { 'notes.update': scenarios.modifyUserData.tool, … } })
 * ```
 *
 * | | credential | and |
 * | --- | --- | --- |
 * | reads public data | an API key, or an agent's token | nothing more |
 * | modifies a person's data | an agent's token on that person's behalf | that person's consent to the call |
 * | calls an external API | an agent's token bound to its certificate (RFC 8705) | a human in the loop |
 * | executes code | an agent's token | an administrator's approval, a row in the audit trail, a sandbox |
 */
export const scenarios = {
  readPublic: {
    requirements: { methods: ['api_key', 'agent_token'], scopes: ['data:read'] },
    tool: { methods: ['api_key', 'agent_token'], scope: 'data:read' },
  },
  modifyUserData: {
    requirements: { methods: ['agent_token'], scopes: ['data:write'] },
    tool: { scope: 'data:write', approval: 'consent' },
  },
  callExternal: {
    requirements: { methods: ['agent_token'], scopes: ['external:invoke'], bound: true },
    tool: { scope: 'external:invoke', bound: 'mtls', approval: 'human' },
  },
  execute: {
    requirements: { methods: ['agent_token'], scopes: ['exec:sandbox'] },
    tool: { scope: 'exec:sandbox', approval: 'admin', audit: true, sandbox: true },
  },
} as const satisfies Readonly<Record<string, Scenario>>
