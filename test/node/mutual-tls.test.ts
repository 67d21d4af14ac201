import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mutualTls } from 'sallyport/node'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** What arrived, as bytes off the wire were read by node:http. */
const server = createServer(async (incoming, outgoing) => {
  let body = ''
  for await (const part of incoming) body += part
  const { method, url, headers } = incoming
  outgoing.end(
    JSON.stringify({ method, url, authorization: headers.authorization, type: headers['content-type'], body }),
  )
})
let origin = ''
let fetch: typeof globalThis.fetch
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'client' }])
  fetch = mutualTls({ cert, key })
})
afterAll(() => server.close())

describe('a fetch with a client certificate', () => {
  const headers = { Authorization: 'Bearer x', 'Content-Type': 'application/json' }
  const post = { method: 'POST', headers, body: '{"a":1}' }
  const wanted = {
    method: 'POST',
    url: '/notes?a=1',
    authorization: 'Bearer x',
    type: 'application/json',
    body: '{"a":1}',
  }

  it.each<[string, () => [RequestInfo | URL, RequestInit?]]>([
    ['a text', () => [`${origin}/notes?a=1`, post]],
    ['a URL', () => [new URL(`${origin}/notes?a=1`), post]],
    ['a Request', () => [new Request(`${origin}/notes?a=1`, post)]],
    [
      'a Request that is changed beside it',
      () => [new Request(`${origin}/notes?a=1`, { ...post, method: 'PUT' }), { method: 'POST' }],
    ],
    [
      'a Request whose body is beside it',
      () => [new Request(`${origin}/notes?a=1`, { headers }), { method: 'POST', body: '{"a":1}' }],
    ],
  ])('sends all of %s', async (_, call) => {
    expect(await (await fetch(...call())).json()).toEqual(wanted)
  })

  it('sends a Request without a body, and ends with its signal', async () => {
    const answer = await fetch(new Request(`${origin}/`, { headers: { Authorization: 'Bearer y' } }))
    expect(await answer.json()).toMatchObject({ method: 'GET', authorization: 'Bearer y', body: '' })
    const signal = AbortSignal.abort()
    await expect(fetch(new Request(`${origin}/`, { signal }))).rejects.toThrow(/abort/i)
  })
})
