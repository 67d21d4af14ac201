import { deepFreeze } from '../../protocol/deep-freeze.js'
import type { Principal } from '../../protocol/principal.js'
import { isScope, missingScopes } from '../../protocol/scope.js'
import { bool, either, func, isObject, list, object, oneOf, optional, seconds, text } from '../../protocol/shape.js'
import { canonical } from '../canonical-json.js'
import { agentError } from '../errors.js'
import { personOf } from '../is-person.js'

/** Plain data, as a model writes it. */
export type ToolArguments = Readonly<Record<string, unknown>>

/** The requirements of a tool. */
export interface ToolRule {
  /** All of these. */
  scope: string | readonly string[]
  /** The credentials that are accepted. Default: only agents' tokens. */
  methods?: readonly ('agent_token' | 'api_key')[]
  /** The token must be bound to the caller's certificate, to its key, or to any of them. */
  bound?: 'mtls' | 'dpop' | 'any'
  /**
   * Every call needs an approval: `consent` of the person on whose behalf it is (required); `human` of that person, or of an
   * administrator if the agent acts for itself; `admin` of an administrator.
   */
  approval?: 'consent' | 'human' | 'admin'
  /** Seconds since the approver signed in, at most. @see RFC 9470 */
  freshWithin?: number
  acr?: readonly string[]
  /** A row in the audit trail for every call, allowed or refused. If it cannot be written, the call is refused. */
  audit?: boolean
  /** Runs only in `sandbox`: `grant.runInSandbox()`. */
  sandbox?: boolean
  /** Checks the arguments. Anything but `true` refuses, and so does an error. */
  accepts?: (args: ToolArguments) => boolean
}

/** A rule with its name, and its scopes as a list. */
export interface Tool extends ToolRule {
  name: string
  scopes: readonly string[]
}

/** The options that rules may need. */
interface Backends {
  approvals?: unknown
  audit?: unknown
  sandbox?: unknown
}

/** A misspelt member must not leave a tool open. */
export const toolRuleCheck = object<ToolRule>(
  {
    scope: either(text, list(text, 1)),
    methods: optional(list(oneOf('agent_token', 'api_key'))),
    bound: optional(oneOf('mtls', 'dpop', 'any')),
    approval: optional(oneOf('consent', 'human', 'admin')),
    freshWithin: optional(seconds()),
    acr: optional(list(text)),
    audit: optional(bool),
    sandbox: optional(bool),
    accepts: optional(func),
  },
  'a rule: { scope, … }',
)

/** All tools by name. @throws TypeError naming the tool and what is missing */
export function readTools(
  tools: Readonly<Record<string, ToolRule | string>>,
  backends: Backends,
): ReadonlyMap<string, Tool> {
  const byName = new Map<string, Tool>()
  for (const [name, entry] of Object.entries(tools)) {
    const rule: ToolRule = typeof entry === 'string' ? { scope: entry } : entry
    const scopes = [rule.scope].flat()
    const misuse = (what: string): never => {
      throw new TypeError(`createToolAccess: "tools" has ${name}, ${what}`)
    }
    if (!/^[\w.:/-]{1,80}$/.test(name)) misuse('which must be up to 80 letters, digits and _ . : / -')
    if (!scopes.length || !scopes.every(isScope)) misuse('which needs a "scope", like data:read')
    if (rule.approval && !backends.approvals) misuse('which waits for people: pass "approvals", createApprovals(…)')
    if (rule.approval && rule.methods?.includes('api_key')) misuse('which waits for people: keys cannot ask them')
    if (rule.audit && !backends.audit) misuse('which is audited: pass "audit", createAudit(…)')
    if (rule.sandbox && !backends.sandbox) misuse('which runs in a sandbox: pass "sandbox", a function that runs it')
    byName.set(name, { ...rule, name, scopes })
  }
  if (!byName.size) throw new TypeError('createToolAccess: "tools" is empty: name each with the scope that it needs')
  return byName
}

/** Checks the kind of credential. @throws SallyportError */
export function validateCredential({ methods = ['agent_token'], bound, approval }: Tool, principal: Principal): void {
  if (!methods.some((method) => method === principal.method)) throw agentError('credential_not_accepted')
  if (bound && (bound === 'any' ? !principal.bound : principal.bound !== bound))
    throw agentError('invalid_token', { because: 'unbound' })
  if (approval === 'consent' && !personOf(principal)) throw agentError('delegation_required')
}

/**
 * Reads the arguments once and freezes them: the checked, approved and executed arguments are the same.
 *
 * @throws SallyportError `call_invalid`, `arguments_denied`
 */
export function readArguments({ accepts }: Tool, input: unknown = {}): ToolArguments {
  const args = deepFreeze(parsePlainData(input))
  try {
    if (!accepts || accepts(args) === true) return args
  } catch (cause) {
    throw agentError('arguments_denied', cause)
  }
  throw agentError('arguments_denied')
}

function parsePlainData(input: unknown): ToolArguments {
  try {
    if (!isObject(input)) throw new TypeError('arguments are an object')
    return JSON.parse(canonical(input))
  } catch (cause) {
    throw agentError('call_invalid', cause)
  }
}

/** Reports all missing scopes at once. @throws SallyportError `insufficient_scope` */
export function validateScopes(required: readonly string[], { scopes }: Principal): void {
  const missing = missingScopes(required, scopes)
  if (missing.length)
    throw agentError('insufficient_scope', { because: `missing ${missing.join(' ')}`, scope: required.join(' ') })
}
