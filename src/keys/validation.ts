import { isName } from '../protocol/names.js'
import {
  anyText,
  anything,
  bool,
  check,
  epochSeconds,
  func,
  integer,
  list,
  mapOf,
  name,
  object,
  optional,
  type Shape,
  seconds,
  subject,
  text,
} from '../protocol/shape.js'
import { asyncCall, call } from '../protocol/validate.js'
import { requestCheck } from '../protocol/web-checks.js'
import { ledgerCheck, storeCheck } from '../store/engine-checks.js'
import { pageShape } from '../store/list.js'
import type { ApiKeysOptions, WatchOptions } from './options.js'
import type { KeyRecord, Quota } from './record.js'
import type { KeysQuery, NewApiKey, RevokeOptions, RotateOptions, VerifyOptions } from './requests.js'

const DAY = 86_400

const watch: Shape<WatchOptions> = {
  burst: optional(object({ count: integer({ least: 1 }), seconds: seconds() })),
  newNetworks: optional(bool),
  onAnomaly: optional(func),
}

export const apiKeysOptions = object<ApiKeysOptions<string>>({
  store: storeCheck,
  ledger: optional(ledgerCheck),
  prefix: text,
  scopes: list(text, 1),
  maxAge: optional(seconds({ above: 0, most: 90 * DAY })),
  grace: optional(seconds({ least: 0, most: 90 * DAY })),
  maxGrace: optional(seconds({ least: 0, most: 90 * DAY })),
  addressOf: optional(func),
  isOwnerActive: optional(func),
  watch: optional(object<WatchOptions>(watch)),
  onEvent: optional(func),
  now: optional(func),
})

const calls = optional(integer({ least: 0 }, 'a whole number of calls'))
const quota = object<Quota>({ minute: calls, day: calls, month: calls, total: calls })

const newKeyShape = object<NewApiKey<string>>({
  tenant: name,
  owner: subject,
  name,
  scopes: list(text),
  expiresIn: optional(seconds()),
  ips: optional(list(text)),
  quota: optional(quota),
  metadata: optional(mapOf(anyText)),
})

const record = check<KeyRecord>('the record of a key that was verified', (value) => {
  const { id, tenant, lineage } = (value ?? {}) as Record<string, unknown>
  return isName(id) && isName(tenant) && isName(lineage)
})

const revocation = object<RevokeOptions>({ tenant: name, reason: optional(text) })

const inTenant = object<{ tenant: string }>({ tenant: name })

export const apiKeysCalls = {
  // Any value gets a result, because callers send it.
  verify: asyncCall(
    ['key', anything<string>()],
    ['options', optional(object<VerifyOptions>({ request: optional(requestCheck) }))],
  ),
  spend: asyncCall(['record', record], ['options', optional(object<{ cost?: number }>({ cost: calls }))]),
  create: asyncCall(['newKey', newKeyShape]),
  rotate: asyncCall(
    ['id', name],
    [
      'options',
      object<RotateOptions>({ tenant: name, grace: optional(seconds({ least: 0 })), idempotencyKey: optional(name) }),
    ],
  ),
  revoke: asyncCall(['id', name], ['options', revocation]),
  revokeOwner: asyncCall(['owner', subject], ['options', revocation]),
  revokeLeaked: asyncCall(['text', anyText]),
  get: asyncCall(['id', name], ['options', inTenant]),
  quotaUse: asyncCall(
    ['id', name],
    ['options', object<{ tenant: string; at?: number }>({ tenant: name, at: optional(epochSeconds) })],
  ),
  list: asyncCall(['which', object<KeysQuery>({ tenant: name, owner: optional(subject), ...pageShape })]),
  due: call(['when', object<{ within: number }>({ within: seconds({ least: 0, most: 366 * DAY }) })]),
}
