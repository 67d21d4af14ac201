/** What happened around agents, for logs, metrics and alarms. No arguments, no prompts, no secrets. */
export type AgentEvent =
  | { type: 'tool_allowed'; tenant: string; agent?: string; sub?: string; tool: string; model?: string }
  /** It cost more than was set aside, and took a budget that much above its limit. */
  | { type: 'tool_overrun'; tenant: string; agent?: string; sub?: string; tool: string; overrun: number }
  /** `detail` says why, in words of ours. A tool that is none is `unknown`: its name is whatever the agent made up. */
  | {
      type: 'tool_refused'
      tenant?: string
      agent?: string
      sub?: string
      tool: string
      code: string
      detail?: string
    }
