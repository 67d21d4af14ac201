import { auth } from '../auth.js'
import { Refusal } from '../words.js'

/** A key as the API shows it to its owner. Times in epoch seconds. */
export interface ApiKey {
  id: string
  /** Prefix and id: how the key begins. */
  begins: string
  name: string
  scopes: string[]
  /** `grace`: it has been replaced, and serves until it expires. */
  state: 'active' | 'grace' | 'expired' | 'revoked'
  createdAt: number
  expiresAt: number
  revokedAt?: number
  replacedBy?: string
  lastUsedAt?: number
  /** Calls today, of this key and those before and after it. */
  usedToday: number
  quota?: { day: number }
}

/** What became of calls. */
export const outcomes = ['accepted', 'insufficient_scope', 'refused', 'limited', 'unavailable'] as const
export type Outcome = (typeof outcomes)[number]

export interface Use {
  minutes: ({ at: number } & Record<Outcome, number>)[]
  noticed: { id: string; kind: 'burst' | 'new_network'; at: number }[]
}

/** A key, this once. */
export interface NewKey {
  key: string
  id: string
}

/** One call of the API that manages keys, as the person: in either mode, `auth.fetch` does what it takes. */
async function call<Answer>(path: string, method = 'GET', body?: unknown): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  const response = await auth.fetch(`/api/keys${path}`, { method, ...sent })
  if (response.ok) return response.status === 204 ? (undefined as Answer) : response.json()
  if (response.status === 401)
    throw new Refusal('The API refused the token, and there is no other one yet. Try again in a few seconds.')
  const { error_description } = response.status < 500 ? await response.json().catch(() => ({})) : {}
  throw new Refusal(
    typeof error_description === 'string'
      ? error_description
      : 'The API does not answer. Please try again in a moment.',
  )
}

export const readKeys = async (): Promise<ApiKey[]> => (await call<{ keys: ApiKey[] }>('')).keys
export const readUse = (): Promise<Use> => call('/usage')
/** `expiresIn` and `grace` in seconds. */
export const createKey = (wish: { name: string; scopes: string[]; expiresIn: number }): Promise<NewKey> =>
  call('', 'POST', wish)
export const rotateKey = (id: string, grace: number): Promise<NewKey> => call(`/${id}/rotate`, 'POST', { grace })
export const revokeKey = (id: string): Promise<void> => call(`/${id}`, 'DELETE')
