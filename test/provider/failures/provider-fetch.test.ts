import { describe, expect, it } from 'vitest'
import { isTemporary, requestErrorIn, requestFailure } from '../../../src/provider/failures/failure.js'
import { createKeySetFetch, createProviderFetch } from '../../../src/provider/failures/provider-fetch.js'

const URL_ = 'https://user:pass@login.example.net/token?p=b2c_1'

/** What a request comes to with a `fetch` that does this. */
async function failureWith(fetch: () => Promise<Response>, method = 'POST', create = createProviderFetch) {
  try {
    return await create(fetch)(URL_, { method })
  } catch (error) {
    const failed = requestErrorIn(error)
    if (!failed) throw error
    const failure = requestFailure(failed, 'token')
    return failure && { ...failure, temporary: isTemporary(failure) }
  }
}

const broken = (cause: unknown) => async () => {
  throw new TypeError('fetch failed', { cause })
}
const code = (code: string) => Object.assign(new Error(code), { code })

describe('a request to a provider', () => {
  it.each([
    ['no such host', broken(code('ENOTFOUND')), 'unreachable', 'ENOTFOUND'],
    [
      'no connection by any address',
      broken(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })),
      'unreachable',
      'ECONNREFUSED',
    ],
    ['a connection that is reset', broken(code('ECONNRESET')), 'unknown', 'ECONNRESET'],
    [
      'a certificate of somebody else',
      broken(code('ERR_TLS_CERT_ALTNAME_INVALID')),
      'unknown',
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
    ['a timeout', async () => Promise.reject(new DOMException('', 'TimeoutError')), 'unknown', 'TimeoutError'],
    ['an error without any name', async () => Promise.reject('no'), 'unknown', 'Error'],
    ['a code that is a secret', broken(code('the secret\n')), 'unknown', 'TypeError'],
  ])('with %s has no response', async (_what, fetch, type, told) => {
    expect(await failureWith(fetch as () => Promise<Response>)).toEqual({
      type,
      temporary: true,
      detail: `token: no response, ${told} (https://login.example.net/token?p=b2c_1)`,
    })
  })

  it('has none either if its body breaks off, whatever the status', async () => {
    for (const status of [200, 401, 500]) {
      const body = () => new ReadableStream({ pull: (stream) => stream.error(code('UND_ERR_SOCKET')) })
      expect(await failureWith(async () => new Response(body(), { status }))).toMatchObject({
        type: 'unknown',
        detail: expect.stringContaining('UND_ERR_SOCKET'),
      })
    }
  })

  it('that a browser does not follow is a redirect', async () => {
    expect(await failureWith(async () => Response.error())).toMatchObject({
      temporary: false,
      detail: expect.stringContaining('token: a redirect ('),
    })
  })

  it('keeps an OAuth error of a POST, without its challenge and as JSON; with GET it is a page like others', async () => {
    const headers = { 'Content-Type': 'text/plain', 'WWW-Authenticate': 'Basic', 'Retry-After': '7', 'DPoP-Nonce': 'n' }
    const answer = async () =>
      new Response('{"error":"invalid_client","error_description":"a\\nb","x":1}', { status: 401, headers })
    const kept = (await failureWith(answer)) as Response
    expect([kept.status, await kept.json()]).toEqual([401, { error: 'invalid_client', error_description: 'a b' }])
    expect(Object.fromEntries(kept.headers)).toEqual({
      'content-type': 'application/json',
      'retry-after': '7',
      'dpop-nonce': 'n',
    })
    expect(await failureWith(answer, 'GET')).toMatchObject({ type: 'error', status: 401, retryAfter: 7 })
  })

  it('keeps the challenge for a nonce as it is', async () => {
    const headers = { 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"', 'DPoP-Nonce': 'n' }
    const kept = (await failureWith(async () => new Response('x', { status: 401, headers }), 'GET')) as Response
    expect([kept.status, kept.headers.get('dpop-nonce'), await kept.text()]).toEqual([401, 'n', 'x'])
  })

  it.each([undefined, '', 'null', '[]', '{}', '{"keys":null}', '{"keys":{}}', '<html>'])(
    'for keys has none that can be used: %j',
    async (body) => {
      expect(await failureWith(async () => new Response(body), 'GET', createKeySetFetch)).toMatchObject({
        type: 'unreadable',
        temporary: false,
        detail: expect.stringContaining('200, no usable keys'),
      })
    },
  )
})
