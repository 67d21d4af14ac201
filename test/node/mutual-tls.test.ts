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

describe('a certificate and a key', () => {
  const made = (options: Parameters<typeof generate>[1] = {}) => generate([{ name: 'commonName', value: 'c' }], options)
  const [one, other] = [made(), made()]
  const pem = (label: string, body: string) => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`

  it('[K-13] are examined at creation: what is wrong is named, and nothing of a key is shown', async () => {
    const { cert, private: key } = await one
    const { cert: foreignCert, private: foreignKey } = await other
    const body = key.split('\n')[2] ?? ''
    const wrong: [Record<string, unknown>, option: string][] = [
      [{ cert: 'no certificate', key }, 'cert'],
      [{ cert: key, key }, 'cert'],
      [{ cert: cert.slice(0, cert.length / 2), key }, 'cert'],
      [{ cert: pem('CERTIFICATE', 'AAAA'), key }, 'cert'],
      [{ cert: 5, key }, 'cert'],
      [{ key }, 'cert'],
      [{ cert, key: 'no key' }, 'key'],
      [{ cert, key: cert }, 'key'],
      [{ cert, key: pem('PRIVATE KEY', body) }, 'key'],
      [{ cert, key: key.slice(0, key.length / 2) }, 'key'],
      [{ cert, key: Buffer.from(key) }, 'key'],
      [{ cert }, 'key'],
      [{ cert, key: foreignKey }, 'key'],
      [{ cert: foreignCert, key }, 'key'],
      [{ cert, key, ca: 'no authority' }, 'ca'],
      [{ cert, key, ca: key }, 'ca'],
      [{ cert, key, certificate: cert }, 'certificate'],
    ]
    for (const [options, option] of wrong) {
      let error: unknown
      try {
        mutualTls(options as unknown as Parameters<typeof mutualTls>[0])
      } catch (caught) {
        error = caught
      }
      expect(error, option).toBeInstanceOf(TypeError)
      expect(`${error}`).toMatch(new RegExp(`^TypeError: mutualTls: "${option}" `))
      for (const line of key.split('\n').slice(1, -2)) expect(`${error}`).not.toContain(line)
    }
  })

  it('[K-13 twin] that belong together are taken, with an authority too', async () => {
    const [{ cert, private: key }, { cert: ca }] = [await one, await other]
    expect(mutualTls({ cert, key })).toBeTypeOf('function')
    expect(mutualTls({ cert, key, ca })).toBeTypeOf('function')
    // A chain: the first is the client's own.
    expect(mutualTls({ cert: `${cert}\n${ca}`, key })).toBeTypeOf('function')
  })
})
