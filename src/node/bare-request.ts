import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Asked } from '../protocol/answer.js'

/**
 * A request that needs no `Request`: without a body, its target and host in the plainest spelling, so that no URL parser
 * would change them. `undefined` for any other, which goes the long way.
 */
export function bareRequest(
  { method = '', url = '', headers }: IncomingMessage,
  outgoing: ServerResponse,
): Asked | undefined {
  const { host = '' } = headers
  const bodiless = method === 'GET' || (method === 'POST' && headers['content-length'] === '0')
  if (!bodiless || headers['transfer-encoding'] !== undefined || !plainTarget.test(url) || !plainHost.test(host))
    return undefined
  return {
    method,
    url: `http://${host}${url}`,
    headers: {
      get(name) {
        const value = headers[name]
        return typeof value === 'string' ? value : null
      },
    },
    body: null,
    text: async () => '',
    get signal() {
      const gone = new AbortController()
      outgoing.once('close', () => outgoing.writableFinished || gone.abort())
      return gone.signal
    },
  }
}

const plainTarget = /^(\/[\w-]+)+(\?[\w=&-]*)?$/
const plainHost = /^[a-z\d-]+(\.[a-z\d-]+)*(:\d{1,5})?$/
