import { SigninState, State, WebStorageStateStore } from 'oidc-client-ts'
import type { LoginOptions } from '../types.js'

/**
 * The only file that uses oidc-client-ts: its `SigninState` makes `state` and PKCE, and its store keeps the one-time record
 * of a sign-in. `OidcClient` would add 6 kB for requests to the provider that this page does not make: it gets the metadata
 * from the backend, and the backend redeems the code.
 */

/** Prefix of our records in sessionStorage. */
const prefix = 'sallyport.'
/** Seconds. Older records are removed at the next sign-in and refused at the callback. */
export const RECORD_LIFETIME = 600

/** Where the app goes on after a sign-in. */
export interface SignInReturn {
  returnTo: string
  /** When the sign-in was started. Epoch seconds. */
  at: number
  /** Of the app, as JSON has it. */
  appState?: unknown
}

/** What this tab keeps of a sign-in until its callback. */
export interface SignInRecord extends SignInReturn {
  state: string
  /** Empty in proxy mode, where the backend redeems the code. */
  code_verifier: string
}

export interface SignInRequest
  extends Omit<LoginOptions, 'authorization_details' | 'params' | 'popup' | 'resource' | 'returnTo'>,
    SignInReturn {
  issuer: string
  client_id: string
  /** `undefined`: the backend decides. */
  scope: string | undefined
  redirect_uri: string
  nonce: string
  resource?: readonly string[]
  params: Readonly<Record<string, string>>
}

type Client = Pick<SignInRequest, 'issuer' | 'client_id' | 'redirect_uri'>

const openStore = () => new WebStorageStateStore({ prefix, store: sessionStorage })

async function createRecord(
  { issuer, client_id, redirect_uri }: Client,
  data: SignInReturn,
  code_verifier: boolean,
): Promise<SigninState> {
  const store = openStore()
  await State.clearStaleState(store, RECORD_LIFETIME)
  const state = await SigninState.create({
    authority: issuer,
    client_id,
    redirect_uri,
    scope: '',
    code_verifier,
    data,
  })
  await store.set(state.id, state.toStorageString())
  return state
}

/** Saves where the app goes on after a sign-in that the backend finishes. Returns the `state` that names it. */
export const createReturn = async ({
  issuer,
  client_id,
  redirect_uri,
  ...data
}: Client & SignInReturn): Promise<string> => (await createRecord({ issuer, client_id, redirect_uri }, data, false)).id

/** Makes an authorization request, saves its record, and returns its parameters. @see RFC 6749 section 4.1.1, RFC 7636 section 4.3 */
export async function createRequest(request: SignInRequest): Promise<URLSearchParams> {
  const { issuer, client_id, redirect_uri, scope, returnTo, at, appState, params, resource = [], ...standard } = request
  const state = await createRecord({ issuer, client_id, redirect_uri }, { returnTo, at, appState }, true)
  const parameters = new URLSearchParams({
    ...params,
    client_id,
    redirect_uri,
    response_type: 'code',
    ...(scope !== undefined && { scope }),
    state: state.id,
    code_challenge: state.code_challenge ?? '',
    code_challenge_method: 'S256',
  })
  for (const [name, value] of Object.entries(standard)) if (value !== undefined) parameters.set(name, `${value}`)
  for (const value of resource) parameters.append('resource', value)
  return parameters
}

/** Reads and removes the record of a `state`. Throws what oidc-client-ts throws if there is none. */
export async function takeRecord(id: string): Promise<SignInRecord> {
  const { data, code_verifier = '' } = await SigninState.fromStorageString((await openStore().remove(id)) ?? '')
  const { returnTo, at, appState } = data as SignInReturn
  return { returnTo, at, appState, state: id, code_verifier }
}

/** Removes all our records, where the storage is full. */
export function removeRecords(): void {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(prefix)) sessionStorage.removeItem(key)
}
