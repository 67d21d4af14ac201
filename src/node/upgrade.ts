import { type IncomingMessage, type RequestOptions, request as requestHttp, type Server } from 'node:http'
import { request as requestHttps, type Server as SecureServer } from 'node:https'
import { type Duplex, pipeline } from 'node:stream'
import type { Bff } from '../bff/bff.js'
import type { Upgrade } from '../bff/proxy/upgrade.js'
import { withMethods } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { isPlainTarget } from './listener.js'
import { hasTwoHosts, requestWithoutBody } from './request-without-body.js'

/** The headers of a WebSocket handshake. No other header is passed on. @see RFC 6455 section 4.1 */
const handshake = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions']
const accepted = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions']

export const serverCheck = withMethods<Server | SecureServer>(
  'a server of node:http or node:https',
  'on',
  'listenerCount',
)
export const upgradeCheck = withMethods<Pick<Bff, 'authorizeUpgrade'>>('createBff(…)', 'authorizeUpgrade')

type Accepted = Upgrade & { type: 'accepted' }

/**
 * Proxies WebSockets through the routes of the backend: checks the session, connects to the API with the access token of the
 * session, and pipes both sockets. The sockets are closed when the session ends.
 *
 * Other `upgrade` listeners of the server handle upgrades that match no route. Without other listeners, they are refused.
 *
 * Not checked: size and rate of frames.
 */
export function attachUpgrade(server: Server | SecureServer, bff: Pick<Bff, 'authorizeUpgrade'>): void {
  validate('attachUpgrade', serverCheck, server, 'server')
  validate('attachUpgrade', upgradeCheck, bff, 'bff')
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    if (hasTwoHosts(incoming)) return refuse(socket, 400)
    open(incoming, socket, head, bff).then(
      (handled) => handled || server.listenerCount('upgrade') > 1 || refuse(socket, 404),
      () => refuse(socket, 500),
    )
  })
}

/** `false`: no route matches. */
async function open(incoming: IncomingMessage, socket: Duplex, head: Buffer, bff: Pick<Bff, 'authorizeUpgrade'>) {
  // A target that a URL parser would change matches no route.
  const asked = isPlainTarget(incoming.url ?? '') ? requestWithoutBody(incoming) : undefined
  if (!asked) return false
  const upgrade = await bff.authorizeUpgrade(asked)
  if (!upgrade) return false
  if (upgrade.type === 'refused') refuse(socket, upgrade.response.status)
  else dial(incoming, socket, head, upgrade)
  return true
}

function dial(incoming: IncomingMessage, socket: Duplex, head: Buffer, upgrade: Accepted): void {
  const { url, headers, timeout, signal, over } = upgrade
  const own = Object.fromEntries(
    handshake.flatMap((name) => {
      const value = incoming.headers[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
  const options: RequestOptions = {
    headers: { ...own, ...headers, connection: 'Upgrade', upgrade: 'websocket' },
    agent: false,
    signal,
    timeout: timeout * 1000,
  }
  const call = (url.startsWith('https:') ? requestHttps : requestHttp)(url, options)
  const hungUp = () => call.destroy()
  const failed = (status: number) => {
    over()
    refuse(socket, status)
  }
  socket.once('close', hungUp)
  call.once('timeout', () => call.destroy(new Error('timeout')))
  call.once('error', (error) => failed(error.message === 'timeout' ? 504 : 502))
  // The API has refused the upgrade. Its status is passed on, its body is not.
  call.once('response', (answer) => {
    answer.destroy()
    failed((answer.statusCode ?? 0) >= 400 ? (answer.statusCode ?? 502) : 502)
  })
  call.once('upgrade', (answer, api, first) => {
    socket.off('close', hungUp)
    const lines = accepted.flatMap((name) => {
      const value = answer.headers[name]
      return value === undefined ? [] : [`${name}: ${value}`]
    })
    socket.write(
      ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket', ...lines, '\r\n'].join('\r\n'),
    )
    if (first.length) api.unshift(first)
    if (head.length) socket.unshift(head)
    const end = () => socket.destroy()
    signal.addEventListener('abort', end)
    pipeline(socket, api, socket, () => {
      signal.removeEventListener('abort', end)
      socket.destroy()
      api.destroy()
      over()
    })
  })
  call.end()
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} \r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
