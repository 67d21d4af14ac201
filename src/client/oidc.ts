import { OidcClient, WebStorageStateStore } from 'oidc-client-ts'
import type { LoginOptions } from './types.js'

/**
 * Everything that knows oidc-client-ts: its `OidcClient` makes the authorization request (PKCE, state) and keeps and
 * reads the one-time record of it. It never talks to the provider or the backend: the metadata is handed in, and the
 * code is redeemed elsewhere.
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

export interface SignInRequest extends Omit<LoginOptions, 'authorization_details' | 'params' | 'resource'> {
  issuer: string
  authorization_endpoint: string
  client_id: string
  scope: string
  redirect_uri: string
  nonce: string
  returnTo: string
  at: number
  resource?: string | string[]
  params: Record<string, string>
}

function openClient(settings: {
  issuer: string
  client_id: string
  redirect_uri: string
  authorization_endpoint?: string
}) {
  return new OidcClient({
    authority: settings.issuer,
    client_id: settings.client_id,
    redirect_uri: settings.redirect_uri,
    metadata: { issuer: settings.issuer, authorization_endpoint: settings.authorization_endpoint ?? '' },
    stateStore: new WebStorageStateStore({ prefix, store: sessionStorage }),
    staleStateAgeInSeconds: RECORD_LIFETIME,
  })
}

/** Makes an authorization request, keeps its record, and returns the request's parameters. */
export async function createRequest({ returnTo, at, params, ...request }: SignInRequest): Promise<URLSearchParams> {
  const { url } = await openClient(request).createSigninRequest({
    ...definedOnly(request),
    state: { returnTo, at },
    extraQueryParams: params,
  })
  return new URL(url).searchParams
}

/** Takes the record that an authorization response belongs to. Throws whatever oidc-client-ts throws if there is none. */
export async function takeRecord(search: string): Promise<SignInRecord> {
  const client = openClient({ issuer: '', client_id: '', redirect_uri: '' })
  const { state } = await client.readSigninResponseState(search, true)
  const { returnTo, at } = state.data as { returnTo: string; at: number }
  return { state: state.id, code_verifier: state.code_verifier ?? '', returnTo, at }
}

/** Removes every record of ours: room for a new one where storage is full. */
export function removeRecords(): void {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(prefix)) sessionStorage.removeItem(key)
}

const definedOnly = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T
