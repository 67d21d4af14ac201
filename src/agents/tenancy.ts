import type { Principal } from '../protocol/principal.js'
import { anything, bool, check, object, optional } from '../protocol/shape.js'
import { asyncCall, call, validate, validated } from '../protocol/validate.js'
import { principalCheck } from '../protocol/web-shapes.js'
import { digestOf } from './canonical-json.js'
import { agentError } from './errors.js'
import { personOf } from './is-person.js'

/** Only in types: nothing outside this file can make one. */
declare const brand: unique symbol

/** What a name is for. */
type TenantData = 'conversation' | 'fine-tune' | 'retrieval' | 'cache'

/**
 * A name that lies in one tenant, and says what it is for. Functions of yours that read or write tenants' data take this instead of
 * a text, and whoever forgets the tenant does not get past the compiler.
 */
export type TenantKey<Data extends TenantData = TenantData> = string & { readonly [brand]: Data }

/** What a response answers. */
export interface CacheRequest {
  model: string
  prompt: unknown
  parameters?: unknown
  /** Default `false`. */
  shared?: boolean
}

const namePart = check<string>(
  'a text with no half of a character in it',
  (value) => typeof value === 'string' && value !== '' && !/\p{Surrogate}/u.test(value),
)

/** What the functions of `tenantOf(…)` take. */
export const namespaceCalls = {
  conversation: call(['id', namePart]),
  fineTune: call(['id', namePart]),
  retrieval: call(['id', namePart]),
  cacheKey: asyncCall([
    'of',
    object<CacheRequest>({
      model: namePart,
      prompt: anything<unknown>(),
      parameters: anything<unknown>(),
      shared: optional(bool),
    }),
  ]),
}

/** The part of everything that belongs to one tenant. Made by {@link tenantOf} alone. */
export interface Namespace {
  readonly [brand]: true
  readonly tenant: string
  /** Where a conversation's history lies. */
  conversation(id: string): TenantKey<'conversation'>
  /** Where a fine-tuned model, or the data for one, lies. */
  fineTune(id: string): TenantKey<'fine-tune'>
  /** Where an index, a collection or the documents for retrieval lie. */
  retrieval(id: string): TenantKey<'retrieval'>
  /**
   * What a model's response is cached under: model, prompt and parameters in full, and who asks. `shared`: everybody in the tenant
   * gets the same answer; only for prompts whose answer depends on nobody's rights. Default `false`.
   *
   * @throws TypeError for a prompt or parameters that are not plain data, or have more than 65,536 characters
   */
  cacheKey(of: CacheRequest): Promise<TenantKey<'cache'>>
}

/**
 * The namespace of whoever calls, from the verified principal: never from a body, a path or a header.
 *
 * Names look like `t/<tenant>/conversation/<id>`, each part percent-encoded, so that no two pairs share a name and none leaves its
 * folder. They differ in upper and lower case: keep them where that counts.
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

/** One text, one spelling, and never `.` or `..`, which lead elsewhere, as `%2E` does in a URL. */
function encodePart(text: string): string {
  validate('tenantOf', namePart, text, 'tenant')
  return encodeURIComponent(text)
    .replaceAll('~', '%7E')
    .replace(/^\.\.?$/, '~$&')
}
