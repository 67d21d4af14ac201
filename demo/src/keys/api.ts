import { callAs } from '../management.js'

/** A key as the API shows it to its owner. Times in epoch seconds. */
export interface ApiKey {
  id: string
  /** Prefix and id: how the key begins. */
  begins: string
  name: string
  scopes: string[]
  /** `grace`: the key was replaced, and is valid until it expires. */
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

/** The results of calls. */
export const outcomes = ['accepted', 'insufficient_scope', 'refused', 'limited', 'unavailable'] as const
export type Outcome = (typeof outcomes)[number]

export interface Use {
  minutes: ({ at: number } & Record<Outcome, number>)[]
  noticed: { id: string; kind: 'burst' | 'new_network'; at: number }[]
}

/** The complete key, which is returned only once. */
export interface NewKey {
  key: string
  id: string
}

async function call<Answer>(path: string, method?: string, body?: unknown): Promise<Answer> {
  const response = await callAs(`/api/keys${path}`, method, body)
  return response.status === 204 ? (undefined as Answer) : response.json()
}

export const readKeys = async (): Promise<ApiKey[]> => (await call<{ keys: ApiKey[] }>('')).keys
export const readUse = (): Promise<Use> => call('/usage')
/** `expiresIn` and `grace` in seconds. */
export const createKey = (options: { name: string; scopes: string[]; expiresIn: number }): Promise<NewKey> =>
  call('', 'POST', options)
export const rotateKey = (id: string, grace: number): Promise<NewKey> => call(`/${id}/rotate`, 'POST', { grace })
export const revokeKey = (id: string): Promise<void> => call(`/${id}`, 'DELETE')
