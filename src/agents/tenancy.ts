import type { Principal } from '../protocol/principal.js'
import { anything, bool, check, object, optional } from '../protocol/shape.js'
import { asyncCall, call, validate, validated } from '../protocol/validate.js'
import { principalCheck } from '../protocol/web-checks.js'
import { digestOf } from './canonical-json.js'
import { agentError } from './errors.js'
import { personOf } from './is-person.js'

/** Exists only in types: no other file can create a branded value. */
declare const brand: unique symbol

/** The kind of data that a name is for. */
type TenantData = 'conversation' | 'fine-tune' | 'retrieval' | 'cache'

/**
 * The name of data of one tenant and one kind. Let your functions that read or write tenants' data take this type instead of
 * `string`: a call without the tenant then does not compile.
 */
export type TenantKey<Data extends TenantData = TenantData> = string & { readonly [brand]: Data }

/** The request that a cached response belongs to. */
interface CacheRequest {
  model: string
  prompt: unknown
  parameters?: unknown
  /** Default `false`. */
  shared?: boolean
}

const namePart = check<string>(
  'a text that is not empty and has no lone surrogate',
  (value) => typeof value === 'string' && value !== '' && !/\p{Surrogate}/u.test(value),
)

export const namespaceCalls = {
  conversation: call(['id', namePart]),
  fineTune: call(['id', namePart]),
  retrieval: call(['id', namePart]),
  cacheKey: asyncCall([
    'request',
    object<CacheRequest>({
      model: namePart,
      prompt: anything<unknown>(),
      parameters: anything<unknown>(),
      shared: optional(bool),
    }),
  ]),
}

/** The namespace of one tenant. Only {@link tenantOf} creates it. */
export interface Namespace {
  readonly [brand]: true
  readonly tenant: string
  /** The name of a conversation's history. */
  conversation(id: string): TenantKey<'conversation'>
  /** The name of a fine-tuned model or of its training data. */
  fineTune(id: string): TenantKey<'fine-tune'>
  /** The name of an index, a collection or documents for retrieval. */
  retrieval(id: string): TenantKey<'retrieval'>
  /**
   * The cache key of a model's response. It covers model, prompt, parameters and the caller. `shared`: all callers in the tenant get
   * the same response; use it only for prompts whose response does not depend on the caller's rights. Default `false`.
   *
   * @throws TypeError for a prompt or parameters that are not plain data, or have more than 65,536 characters
   */
  cacheKey(request: CacheRequest): Promise<TenantKey<'cache'>>
}

/**
 * The namespace of the caller's tenant. It comes from the verified principal, never from a body, a path or a header.
 *
 * Names look like `t/<tenant>/conversation/<id>`. Each part is percent-encoded, so that no two pairs share a name and no name leaves
 * its folder. Names are case-sensitive: use a storage that is case-sensitive too.
 *
 * Not checked: whether a conversation or an index belongs to this person within the tenant.
 *
 * @throws SallyportError `tenant_missing`
 */
export function tenantOf(principal: Principal): Namespace {
  validate('tenantOf', principalCheck, principal, 'principal')
  const { tenant, sub, iss } = principal
  if (!tenant) throw agentError('tenant_missing')
  const name = <Data extends TenantData>(data: Data, id: string) =>
    ['t', encodePart(tenant), data, encodePart(id)].join('/') as TenantKey<Data>
  const namespace: Omit<Namespace, typeof brand> = {
    tenant,
    conversation: (id) => name('conversation', id),
    fineTune: (id) => name('fine-tune', id),
    retrieval: (id) => name('retrieval', id),
    cacheKey: async ({ model, prompt, parameters = null, shared = false }) =>
      name(
        'cache',
        await digestOf([
          model,
          prompt,
          parameters,
          shared ? null : [iss ?? null, personOf(principal)?.iss ?? null, sub],
        ]),
      ),
  }
  return Object.freeze(validated('tenantOf', namespace, namespaceCalls)) as Namespace
}

/** Each text has one encoding, and it is never `.` or `..`: these are path segments, also as `%2E` in a URL. */
function encodePart(text: string): string {
  validate('tenantOf', namePart, text, 'tenant')
  return encodeURIComponent(text)
    .replaceAll('~', '%7E')
    .replace(/^\.\.?$/, '~$&')
}
