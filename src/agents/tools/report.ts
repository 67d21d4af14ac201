import { emitTo } from '../../protocol/emit-to.js'
import type { SallyportError } from '../../protocol/error.js'
import { isName } from '../../protocol/names.js'
import type { Principal } from '../../protocol/principal.js'
import { StoreError } from '../../store/contract.js'
import type { AuditEntry } from '../audit/row.js'
import { callerIds } from '../is-person.js'
import { withoutUndefined } from '../without-undefined.js'
import type { ToolGrant } from './grant.js'
import type { ToolAccessOptions, ToolCall } from './options.js'
import type { Tool } from './rules.js'

/** Reports the outcome of calls: as events, and in the audit trail. */
export function createToolReport({ audit, onEvent }: Pick<ToolAccessOptions, 'audit' | 'onEvent'>) {
  const emit = emitTo(onEvent)

  async function append(
    principal: Principal,
    { tool, resource, correlation, approval }: ToolCall,
    row: Pick<AuditEntry, 'decision' | 'reason' | 'digest'>,
  ): Promise<void> {
    await audit?.append({
      tenant: principal.tenant ?? '',
      ...callerIds(principal),
      action: `tool:${tool}`,
      // A value that cannot be stored has refused the call; the row is written without it.
      ...(isName(resource) && { resource }),
      ...row,
      ...(isName(correlation) && { correlation }),
      ...(isName(approval) && { approvalId: approval }),
    })
  }

  return {
    append,

    overran: ({ tool, tenant }: Pick<ToolGrant, 'tool' | 'tenant'>, principal: Principal, overrun: number): void =>
      emit({ type: 'tool_overrun', tenant, ...callerIds(principal), tool, overrun }),

    /** The grant of `work`, and an event that says whether there is one. A refused call of an audited tool gets a row, too. */
    async reportOutcome(
      principal: Principal,
      call: ToolCall,
      tool: Tool | undefined,
      work: () => Promise<ToolGrant>,
    ): Promise<ToolGrant> {
      try {
        const grant = await work()
        const { tenant, model } = grant
        emit({
          type: 'tool_allowed',
          tenant,
          ...callerIds(principal),
          tool: grant.tool,
          ...withoutUndefined({ model }),
        })
        return grant
      } catch (error) {
        const { code = 'unexpected', cause } = error as Partial<SallyportError>
        const detail = (cause as { because?: unknown } | undefined)?.because
        emit({
          type: 'tool_refused',
          ...callerIds(principal),
          tool: tool?.name ?? 'unknown',
          code,
          ...withoutUndefined({ tenant: principal.tenant, detail: detail === undefined ? undefined : `${detail}` }),
        })
        // The call is refused also if the row cannot be written.
        if (tool?.audit && !(error instanceof StoreError))
          await append(principal, call, { decision: 'refused', reason: code }).catch(() => {})
        throw error
      }
    },
  }
}
