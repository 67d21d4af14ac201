/** What the demo's own server tells about itself. None of this is sallyport: an app has no such thing. */
export interface DemoState {
  requests: { bff: number; api: number }
  grants: { authorization_code: number; refresh_token: number }
  provider: { running: boolean }
  /** Where sessions live. */
  store: string
  /** The backend's processes, where there are several. */
  instances: { requests: number; alive: boolean }[]
  /** Seconds. */
  accessTokenLifetime: number
}

/** A string that the provider gave to somebody, as its digest: enough to recognise it, not to use it. */
export interface Issued {
  kind: string
  length: number
  sha256: string
}

async function ask<Answer>(path: string, method = 'GET'): Promise<Answer> {
  const response = await fetch(`/demo/${path}`, { method, headers: { 'Sallyport-Demo': '1' } })
  if (!response.ok) throw new TypeError('The demo does not answer')
  return response.json()
}

export const readState = (): Promise<DemoState> => ask('state')
export const readIssued = (): Promise<Issued[]> => ask('issued')
export const setProvider = (running: boolean): Promise<DemoState> =>
  ask(`provider/${running ? 'start' : 'stop'}`, 'POST')

/** Ends one of several backend processes as a crash would. */
export const killInstance = (): Promise<DemoState> => ask('instances/kill', 'POST')

/** Asks the API to refuse today's tokens. `wait`: seconds until they are old enough to be renewed. */
export const expireToken = (): Promise<{ wait: number }> => ask('expire', 'POST')
