import type { Principal } from '../../protocol/principal.js'
import { isScope, missingScopes } from '../../protocol/scope.js'
import { bool, either, func, list, object, oneOf, optional, seconds, text } from '../../protocol/shape.js'
import { canonical } from '../canonical-json.js'
import { agentError } from '../errors.js'
import { personOf } from '../is-person.js'

/** Plain data, as a model writes it. */
export type ToolArguments = Readonly<Record<string, unknown>>

/** What it takes to use a tool. */
export interface ToolRule {
  /** All of these. */
  scope: string | readonly string[]
  /** Which credentials will do. Default: an agent's token alone. */
  methods?: readonly ('agent_token' | 'api_key')[]
  /** Only with a token that is bound to the caller: to its certificate, to its key, to one of them. */
  bound?: 'mtls' | 'dpop' | 'any'
  /**
   * Every call waits for a person: `consent` for the one on whose behalf it is, without whom there is none; `human` for the same, or
   * for an administrator where an agent acts by itself; `admin` for an administrator.
   */
  approval?: 'consent' | 'human' | 'admin'
  /** Seconds since whoever approves signed in, at most, and how. @see RFC 9470 */
  freshWithin?: number
  acr?: readonly string[]
  /** A row in the audit trail for every call, allowed or refused. What cannot be written is not done. */
  audit?: boolean
  /** Runs in `sandbox` alone: `grant.runInSandbox()`. */
  sandbox?: boolean
  /** What the arguments must be like. Anything but `true` refuses, and so does an error. */
  accepts?: (args: ToolArguments) => boolean
}

/** A rule with its name, and its scopes as a list. */
export interface Tool extends ToolRule {
  name: string
  scopes: readonly string[]
}

/** What rules ask for must be there. */
interface Means {
  approvals?: unknown
  audit?: unknown
  sandbox?: unknown
}

/** A word that is misspelt must not leave a tool open. */
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

/** The closed set of tools. @throws TypeError naming the tool and what it lacks */
export function readTools(tools: Readonly<Record<string, ToolRule | string>>, means: Means): ReadonlyMap<string, Tool> {
  const read = new Map<string, Tool>()
  for (const [name, entry] of Object.entries(tools)) {
    const rule: ToolRule = typeof entry === 'string' ? { scope: entry } : entry
    const scopes = [rule.scope].flat()
    const misuse = (what: string): never => {
      throw new TypeError(`createToolAccess: "tools" has ${name}, ${what}`)
    }
    if (!/^[\w.:/-]{1,80}$/.test(name)) misuse('which must be up to 80 letters, digits and _ . : / -')
    if (!scopes.length || !scopes.every(isScope)) misuse('which needs a "scope", like data:read')
    if (rule.approval && !means.approvals) misuse('which waits for people: pass "approvals", createApprovals(…)')
    if (rule.approval && rule.methods?.includes('api_key')) misuse('which waits for people: keys cannot ask them')
    if (rule.audit && !means.audit) misuse('which is audited: pass "audit", createAudit(…)')
    if (rule.sandbox && !means.sandbox) misuse('which runs in a sandbox: pass "sandbox", a function that runs it')
    read.set(name, { ...rule, name, scopes })
  }
  if (!read.size) throw new TypeError('createToolAccess: "tools" is empty: name each with the scope that it needs')
  return read
}

/** Whether this is the kind of credential that the tool is used with. @throws SallyportError */
export function validateCredential({ methods = ['agent_token'], bound, approval }: Tool, principal: Principal): void {
  if (!methods.some((method) => method === principal.method)) throw agentError('credential_not_accepted')
  if (bound && (bound === 'any' ? !principal.bound : principal.bound !== bound))
    throw agentError('invalid_token', { because: 'unbound' })
  if (approval === 'consent' && !personOf(principal)) throw agentError('delegation_required')
}

/**
 * The arguments, read once, and frozen: what is checked, approved and executed is the same.
 *
 * @throws SallyportError `call_invalid`, `arguments_denied`
 */
export function readArguments({ accepts }: Tool, given: unknown = {}): ToolArguments {
  const args = frozen(parsed(given))
  try {
    if (!accepts || accepts(args) === true) return args
  } catch (cause) {
    throw agentError('arguments_denied', cause)
  }
  throw agentError('arguments_denied')
}

function parsed(given: unknown): unknown {
  try {
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      throw new TypeError('arguments are an object')
    return JSON.parse(canonical(given))
  } catch (cause) {
    throw agentError('call_invalid', cause)
  }
}

function frozen(value: unknown): ToolArguments {
  for (const member of Object.values(value as object)) if (member && typeof member === 'object') frozen(member)
  return Object.freeze(value) as ToolArguments
}

/** All that is missing at once. @throws SallyportError `insufficient_scope` */
export function validateScopes(wanted: readonly string[], { scopes }: Principal): void {
  const missing = missingScopes(wanted, scopes)
  if (missing.length)
    throw agentError('insufficient_scope', { because: `missing ${missing.join(' ')}`, scope: wanted.join(' ') })
}
