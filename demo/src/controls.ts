/** The demo server's own endpoints for the panel. They are not part of sallyport, and an app does not have them. */
export interface DemoState {
  requests: { bff: number; api: number }
  grants: { authorization_code: number; refresh_token: number }
  provider: { running: boolean }
  /** Where sessions are stored. */
  store: string
  /** The backend's processes, if there are several. */
  instances: { requests: number; alive: boolean }[]
  /** Seconds. */
  accessTokenLifetime: number
}

/** The digest of a token or code that the provider issued: it can be recognized, but not used. */
export interface Issued {
  kind: string
  length: number
  sha256: string
}

async function ask<Answer>(path: string, method = 'GET'): Promise<Answer> {
  const response = await fetch(`/demo/${path}`, { method, headers: { 'Sallyport-Demo': '1' } })
  if (!response.ok) throw new TypeError('The demo does not respond')
  return response.json()
}

export const readState = (): Promise<DemoState> => ask('state')
export const readIssued = (): Promise<Issued[]> => ask('issued')
export const setProvider = (running: boolean): Promise<DemoState> =>
  ask(`provider/${running ? 'start' : 'stop'}`, 'POST')

/** Kills one of several backend processes, like a crash. */
export const killInstance = (): Promise<DemoState> => ask('instances/kill', 'POST')

/** Asks the API to refuse today's tokens. `wait`: seconds until they are old enough to be renewed. */
export const expireToken = (): Promise<{ wait: number }> => ask('expire', 'POST')
