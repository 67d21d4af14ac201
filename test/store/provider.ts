import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { mockAuthorizationServer } from 'sallyport/testing'
import { freePort } from '../services/programs.js'

/** What becomes of a request for tokens on its way. */
export type Trouble =
  /** Nobody answers; it is never processed. */
  | 'silence'
  /** The connection is reset; it is not processed. */
  | 'reset'
  /** It is processed, and the connection is reset before the answer. */
  | 'lost'
  | { status: number }
  /** It is processed, and answered so many milliseconds later. */
  | { slow: number }

/** The strict mock provider behind a real socket, with a clock that tests move. */
export async function startProvider({ leeway = 0, accessTokenLifetime = 300 } = {}) {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const client_secret = randomBytes(24).toString('hex')
  let offset = 0
  const as = await mockAuthorizationServer({
    issuer,
    now: () => Date.now() / 1000 + offset,
    leeway,
    accessTokenLifetime,
    clients: [{ client_id: 'notes', client_secret, redirect_uris: ['https://app.example.com/callback'] }],
    users: Array.from({ length: 1000 }, (_, at) => ({ sub: `person-${at}` })),
  })
  as.signIn('person-0')
  /** Requests by refresh token: how often each generation was spent or tried. */
  const attempts = new Map<string, number>()
  let trouble: Trouble | undefined
  /** Hears of each refresh when it has come in, with the name of the process that asks. */
  let onRefresh: ((worker: string) => void | Promise<void>) | undefined
  const hanging = new Set<ServerResponse>()

  const server = createServer(async (incoming, outgoing) => {
    const body = await textOf(incoming)
    const form = new URLSearchParams(body)
    const refresh = incoming.url === '/token' && form.get('grant_type') === 'refresh_token'
    const now = refresh ? trouble : undefined
    if (refresh) {
      const spent = form.get('refresh_token') ?? ''
      attempts.set(spent, (attempts.get(spent) ?? 0) + 1)
      await onRefresh?.(`${incoming.headers['x-worker']}`)
    }
    if (now === 'silence') {
      hanging.add(outgoing)
      return
    }
    if (now === 'reset') return incoming.socket.resetAndDestroy()
    if (now instanceof Object && 'status' in now) return outgoing.writeHead(now.status).end()
    const request = new Request(issuer + incoming.url, {
      method: incoming.method ?? 'GET',
      headers: incoming.headers as Record<string, string>,
      ...(body && { body }),
    })
    const response = await as.fetch(request)
    const text = await response.text()
    if (now === 'lost') return incoming.socket.resetAndDestroy()
    if (now instanceof Object && 'slow' in now) await new Promise((resolve) => setTimeout(resolve, now.slow))
    return outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(text)
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

  return {
    as,
    issuer,
    client_secret,
    attempts,
    /** The most that any one refresh token was shown. */
    mostAttempts: () => Math.max(0, ...attempts.values()),
    refreshes: () => as.grants.refresh_token,
    trouble(next: Trouble | undefined) {
      trouble = next
    },
    onRefresh(listener: typeof onRefresh) {
      onRefresh = listener
    },
    advance(seconds: number) {
      offset += seconds
    },
    async remove() {
      for (const response of hanging) response.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type Provider = Awaited<ReturnType<typeof startProvider>>

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of incoming) text += part
  return text
}
