import { SigninState, State, WebStorageStateStore } from 'oidc-client-ts'
import type { LoginOptions } from '../types.js'

/**
 * Everything that knows oidc-client-ts: its `SigninState` makes `state` and PKCE, and its store keeps the one-time record
 * of a sign-in. `OidcClient` around them would bring 6 kB for asking a provider that this page never asks: the metadata is
 * handed in, and the code is redeemed elsewhere.
 */

/** Our records in sessionStorage; other apps' keys stay untouched. */
const prefix = 'sallyport.'
/** Seconds: older records are swept at the next sign-in and refused at the callback. */
export const RECORD_LIFETIME = 600

/** What a sign-in leaves behind in this tab, until its callback. */
export interface SignInRecord {
  state: string
  code_verifier: string
  returnTo: string
  /** Epoch seconds by the clock of the page that began. */
  at: number
}

export interface SignInRequest extends Omit<LoginOptions, 'authorization_details' | 'params' | 'popup' | 'resource'> {
  issuer: string
  client_id: string
  scope: string
  redirect_uri: string
  nonce: string
  returnTo: string
  at: number
  resource?: readonly string[]
  params: Readonly<Record<string, string>>
}

const openStore = () => new WebStorageStateStore({ prefix, store: sessionStorage })

/** Makes an authorization request, keeps its record, and returns the request's parameters. @see RFC 6749 section 4.1.1, RFC 7636 section 4.3 */
export async function createRequest(request: SignInRequest): Promise<URLSearchParams> {
  const { issuer, client_id, redirect_uri, scope, returnTo, at, params, resource = [], ...standard } = request
  const store = openStore()
  await State.clearStaleState(store, RECORD_LIFETIME)
  const state = await SigninState.create({
    authority: issuer,
    client_id,
    redirect_uri,
    scope,
    code_verifier: true,
    data: { returnTo, at },
  })
  await store.set(state.id, state.toStorageString())
  const parameters = new URLSearchParams({
    ...params,
    client_id,
    redirect_uri,
    response_type: 'code',
    scope,
    state: state.id,
    code_challenge: state.code_challenge ?? '',
    code_challenge_method: 'S256',
  })
  for (const [name, value] of Object.entries(standard)) if (value !== undefined) parameters.set(name, `${value}`)
  for (const one of resource) parameters.append('resource', one)
  return parameters
}

/** Takes the record that belongs to a `state`, once. Throws whatever oidc-client-ts throws if there is none. */
export async function takeRecord(id: string): Promise<SignInRecord> {
  const { data, code_verifier = '' } = await SigninState.fromStorageString((await openStore().remove(id)) ?? '')
  const { returnTo, at } = data as { returnTo: string; at: number }
  return { state: id, code_verifier, returnTo, at }
}

/** Removes every record of ours: room for a new one where storage is full. */
export function removeRecords(): void {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(prefix)) sessionStorage.removeItem(key)
}
