import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'

/** Bytes each way: a gigabyte in the long version. */
const SIZE = process.env['FULL'] === '1' ? 2 ** 30 : 2 ** 27
const CHUNK = Buffer.alloc(65_536, 'x')
/** What the limit allows over the start, in bytes. */
const MORE = 50 * 2 ** 20

function* bytes() {
  for (let sent = 0; sent < SIZE; sent += CHUNK.length) yield CHUNK
}

async function count(stream: AsyncIterable<Buffer>): Promise<number> {
  let length = 0
  for await (const part of stream) length += part.length
  return length
}

describe('long bodies through the proxy', () => {
  it('[F-85 twin] cost no memory, in either direction', async () => {
    const api = createServer(async (incoming, outgoing) => {
      const length = await count(incoming)
      if (incoming.method === 'GET') Readable.from(bytes()).pipe(outgoing)
      else outgoing.end(`${length}`)
    })
    api.listen(0, '127.0.0.1')
    await once(api, 'listening')
    const apiPort = (api.address() as AddressInfo).port
    // In a process of its own, as it is shipped: its memory is nobody else's.
    const backend = fork('bench/backend.js', ['memory', '1', '0', `${apiPort}`], { execArgv: [] })
    try {
      const [{ port, cookies }] = (await once(backend, 'message')) as [{ port: number; cookies: string[] }]
      const usage = async () => {
        backend.send('usage')
        const [{ memory }] = (await once(backend, 'message')) as [{ memory: { rss: number } }]
        return memory.rss
      }
      const call = async (method: string) => {
        const headers = {
          Host: 'app.example.com',
          'Sallyport-CSRF': '1',
          Cookie: cookies[0],
          ...(method === 'PUT' && { 'Content-Length': SIZE }),
        }
        const asked = request({ port, host: '127.0.0.1', path: '/bff/api/notes/file', method, headers })
        if (method === 'PUT') Readable.from(bytes()).pipe(asked)
        else asked.end()
        const [answer] = await once(asked, 'response')
        return answer
      }
      // What a process needs to work at all comes with its first requests.
      for (let at = 0; at < 20; at++) await count(await call('GET').then((answer) => answer.take(1)))
      const before = await usage()
      let most = before
      let done = false
      const watching = (async () => {
        while (!done) {
          most = Math.max(most, await usage())
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      })()
      expect(await count(await call('GET'))).toBe(SIZE)
      const answer = await call('PUT')
      expect(answer.statusCode).toBe(200)
      let text = ''
      for await (const part of answer) text += part
      expect(Number(text)).toBe(SIZE)
      done = true
      await watching
      expect((most - before) / 2 ** 20).toBeLessThan(MORE / 2 ** 20)
    } finally {
      backend.disconnect()
      api.closeAllConnections()
      api.close()
    }
  }, 120_000)
})
