import { createHash } from 'node:crypto'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:http2'
import { createServer as createSecureServer, request as httpsRequest, type RequestOptions } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import { generateKeyPair as generateDpopKey, generateProof } from 'dpop'
import express from 'express'
import fastify, { type FastifyRequest, type FastifyServerOptions } from 'fastify'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { sessionCookie } from 'sallyport/bff'
import { type Authenticator, accessToken, createGuard, type Guard, type GuardOptions } from 'sallyport/guard'
import { toHonoGuard } from 'sallyport/hono'
import { principalOf, toExpressGuard, toFastifyGuard, toNodeListener } from 'sallyport/node'
import { generate } from 'selfsigned'
import { afterEach, describe, expect, it } from 'vitest'
import { peerOf } from '../../src/protocol/http/peer.js'
import { goodClaims } from '../guard/claims.js'
import { APP, ISSUER, signIn, world } from '../world.js'

const API = 'https://api.example.com'
const { privateKey, publicKey } = await generateKeyPair('ES256')
const key = await generateDpopKey('ES256', { extractable: true })
const jkt = await calculateJwkThumbprint(await exportJWK(key.publicKey))

/** One authority, and whom it has given certificates. */
const commonName = (value: string) => [{ name: 'commonName', value }]
const ca = await generate(commonName('ca'), {
  keyType: 'ec',
  algorithm: 'sha256',
  extensions: [{ name: 'basicConstraints', cA: true }],
})
const issued = (name: string) =>
  generate(commonName(name), { keyType: 'ec', algorithm: 'sha256', ca: { key: ca.private, cert: ca.cert } })
const [server, client, other] = await Promise.all([issued('127.0.0.1'), issued('client'), issued('other')])

/** Of proofs, the library reads the real clock. */
const time = Math.floor(Date.now() / 1000)

const token = (changes: Record<string, unknown> = {}) =>
  new SignJWT({ ...goodClaims(ISSUER, API, time), ...changes })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
    .sign(privateKey)

const bearer = async (changes?: Record<string, unknown>) => ({ Authorization: `Bearer ${await token(changes)}` })

const guardOf = (options: Partial<GuardOptions> = {}) =>
  createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, keys: async () => publicKey })],
    metadata: { scopes_supported: ['notes:read'] },
    now: () => time,
    ...options,
  })

const closing: Array<() => unknown> = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** TLS that asks for a certificate, and takes any that its own authority has signed. */
interface Tls {
  key: string
  cert: string
  ca: string
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const secured = (tls: Tls) => ({ ...tls, requestCert: true, rejectUnauthorized: true })

/**
 * One app in each framework: `GET /notes`, `POST /notes` with a JSON parser before (`/before`) or after the guard,
 * `/v1/notes` in a mounted router, `/tenants/:tenant`, and a route whose needs have a slip of the pen.
 */
const frameworks: Record<string, (protect: Guard, tls?: Tls) => Promise<string>> = {
  async Express(protect, tls) {
    const guard = toExpressGuard(protect)
    const notes: express.RequestHandler = (request, response) =>
      void response.json({ sub: principalOf(request).sub, bound: principalOf(request).bound, body: request.body })
    const app = express()
    app.disable('x-powered-by')
    app.use((_request, response, next) => {
      response.setHeader('X-Frame-Options', 'DENY')
      next()
    })
    app.use(guard.metadata)
    app.post('/before', express.json(), guard({ scopes: ['notes:read'] }), notes)
    app.all('/notes', guard({ scopes: ['notes:read'] }), express.json(), notes)
    app.get('/admin', guard({ scopes: ['notes:admin', 'notes:read'] }), notes)
    app.use('/v1', express.Router().get('/notes', guard(), notes))
    app.get(
      '/tenants/:tenant',
      guard((request: express.Request<{ tenant: string }>) => ({ tenant: request.params.tenant })),
      notes,
    )
    app.get(
      '/slip/:tenant',
      guard(({ params }) => ({ tenant: params['tenat'] })),
      notes,
    )
    app.get('/unguarded', notes)
    app.use((_error: unknown, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
      response.status(500).end()
    })
    return listen(tls ? createSecureServer(secured(tls), app) : createServer(app))
  },

  async Fastify(protect, tls) {
    const guard = toFastifyGuard(protect)
    const app = fastify((tls ? { https: secured(tls) } : {}) as FastifyServerOptions)
    const notes = async (request: { raw: IncomingMessage; body: unknown }) => {
      const { sub, bound } = principalOf(request)
      return { sub, bound, body: request.body }
    }
    app.addHook('onRequest', async (_request, reply) => void reply.header('X-Frame-Options', 'DENY'))
    app.addHook('onRequest', guard.metadata)
    app.post('/before', { preHandler: guard({ scopes: ['notes:read'] }) }, notes)
    app.route({
      method: ['GET', 'HEAD', 'POST'],
      url: '/notes',
      onRequest: guard({ scopes: ['notes:read'] }),
      handler: notes,
    })
    app.get('/admin', { onRequest: guard({ scopes: ['notes:admin', 'notes:read'] }) }, notes)
    app.register(async (v1) => void v1.get('/notes', { onRequest: guard() }, notes), { prefix: '/v1' })
    app.get(
      '/tenants/:tenant',
      {
        onRequest: guard((request: FastifyRequest<{ Params: { tenant: string } }>) => ({
          tenant: request.params.tenant,
        })),
      },
      notes,
    )
    app.get('/slip/:tenant', { onRequest: guard(({ params }) => ({ tenant: params['tenat'] })) }, notes)
    app.get('/unguarded', notes)
    await app.listen({ host: '127.0.0.1', port: 0 })
    closing.push(() => app.close())
    return `127.0.0.1:${(app.server.address() as AddressInfo).port}`
  },

  Hono: async (protect, tls) => {
    const listener = getRequestListener(honoApp(protect).fetch)
    return listen(tls ? createSecureServer(secured(tls), listener) : createServer(listener))
  },

  'Hono behind toNodeListener': async (protect, tls) => {
    const listener = toNodeListener(honoApp(protect))
    return listen(tls ? createSecureServer(secured(tls), listener) : createServer(listener))
  },
}

function honoApp(protect: Guard) {
  const guard = toHonoGuard(protect)
  const v1 = new Hono().get('/notes', guard(), (context) =>
    context.json({ sub: context.var.principal.sub, bound: context.var.principal.bound }),
  )
  return new Hono()
    .use(async (context, next) => {
      context.header('X-Frame-Options', 'DENY')
      await next()
    })
    .use(guard.metadata)
    .post(
      '/before',
      async (context, next) => {
        await context.req.json()
        await next()
      },
      guard({ scopes: ['notes:read'] }),
      async (context) => context.json({ sub: context.get('principal').sub, body: await context.req.json() }),
    )
    .all('/notes', guard({ scopes: ['notes:read'] }), async (context) => {
      const body = context.req.method === 'POST' ? await context.req.json() : undefined
      const { sub, bound } = context.get('principal')
      return context.json({ sub, bound, body })
    })
    .get('/admin', guard({ scopes: ['notes:admin', 'notes:read'] }), (context) => context.json({}))
    .route('/v1', v1)
    .get(
      '/tenants/:tenant',
      guard((context) => ({ tenant: context.req.param('tenant') })),
      (context) => context.json({ sub: context.var.principal.sub }),
    )
    .get(
      '/slip/:tenant',
      guard((context) => ({ tenant: context.req.param('tenat') })),
      (context) => context.json({}),
    )
    .get('/unguarded', (context) =>
      context.json({ sub: (context as never as { var: { principal: { sub: string } } }).var.principal.sub }),
    )
    .onError((_error, context) => context.body(null, 500))
}

/** Asks as written: no header is added, joined or dropped on the way. */
async function ask(
  where: string,
  path: string,
  headers: Record<string, string | string[]> = {},
  { body, ...more }: RequestOptions & { body?: string } = {},
) {
  const [host, port] = where.split(':')
  const secure = more.cert !== undefined
  const call = (secure ? httpsRequest : httpRequest)({ host, port, path, headers, ...more })
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve).once('error', reject).end(body)
  })
  const said = await text(answer)
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: said.startsWith('{') ? JSON.parse(said) : said,
  }
}

describe.each(Object.entries(frameworks))('the guard in %s', (name, serve) => {
  it('lets a caller through who may, and says who it is', async () => {
    const where = await serve(guardOf())
    const answer = await ask(where, '/notes', await bearer())
    expect([answer.status, answer.body]).toEqual([200, { sub: 'alice' }])
    expect((await ask(where, '/v1/notes?page=2', await bearer())).body).toEqual({ sub: 'alice' })
  })

  it('sends a refusal as it is: status, challenge, body, and what other middleware has set', async () => {
    const where = await serve(guardOf())
    const metadata = `resource_metadata="${API}/.well-known/oauth-protected-resource"`
    const nobody = await ask(where, '/notes')
    expect(nobody).toMatchObject({
      status: 401,
      headers: {
        'www-authenticate': `Bearer ${metadata}, scope="notes:read"`,
        'cache-control': 'no-store',
        'content-type': 'application/json',
        'x-frame-options': 'DENY',
      },
      body: { error: 'missing_credentials' },
    })
    const bad = await ask(where, '/v1/notes', { Authorization: 'Bearer junk' })
    expect([bad.status, bad.body.error]).toEqual([401, 'invalid_token'])
    const few = await ask(where, '/admin', await bearer())
    expect([few.status, few.body.error]).toEqual([403, 'insufficient_scope'])
    expect(few.headers['www-authenticate']).toContain('scope="notes:admin notes:read"')
    expect((await ask(where, '/notes', {}, { method: 'HEAD' })).status).toBe(401)
  })

  it('answers HEAD as GET, where the framework has made that route by itself: the same challenge, and no body', async () => {
    const where = await serve(guardOf())
    for (const headers of [{}, { Authorization: 'Bearer junk' }]) {
      const [head, get] = [
        await ask(where, '/v1/notes', headers, { method: 'HEAD' }),
        await ask(where, '/v1/notes', headers),
      ]
      expect([head.status, head.body]).toEqual([401, ''])
      for (const field of ['www-authenticate', 'cache-control', 'content-type', 'x-frame-options'])
        expect(head.headers[field], field).toBe(get.headers[field])
    }
    expect((await ask(where, '/v1/notes', await bearer(), { method: 'HEAD' })).status).toBe(200)
    const document = await ask(where, '/.well-known/oauth-protected-resource', {}, { method: 'HEAD' })
    expect([document.status, document.body]).toEqual([200, ''])
  })

  it('names every scheme, and when to come back', async () => {
    const other: Authenticator = {
      method: 'session_cookie',
      explicit: false,
      challenge: { scheme: 'Cookie' },
      claims: ({ headers }) => headers.has('cookie'),
      verify: async () => ({ ok: false, status: 503, error: 'temporarily_unavailable', retryAfter: 7 }),
    }
    const where = await serve(
      guardOf({ accept: [accessToken({ issuer: ISSUER }), other], metadata: undefined as never }),
    )
    const said = 'Bearer scope="notes:read", Cookie scope="notes:read"'
    expect((await ask(where, '/notes')).headers['www-authenticate']).toBe(said)
    const down = await ask(where, '/notes', { Cookie: 'x=1' })
    expect([down.status, down.headers['retry-after'], down.body.error]).toEqual([503, '7', 'temporarily_unavailable'])
  })

  it('leaves the body to the parsers, before it or after', async () => {
    const where = await serve(guardOf())
    const post = { method: 'POST', body: '{"text":"milk"}' }
    for (const path of ['/notes', '/before']) {
      const headers = { 'Content-Type': 'application/json', 'Content-Length': '15' }
      const answer = await ask(where, path, { ...headers, ...(await bearer()) }, post)
      expect(answer.body, path).toEqual({ sub: 'alice', body: { text: 'milk' } })
      expect((await ask(where, path, headers, post)).status, path).toBe(401)
    }
  })

  it('takes needs from the request, and no slip of the pen for “nothing needed”', async () => {
    const where = await serve(guardOf())
    const acme = await bearer({ tenant: 'acme' })
    expect((await ask(where, '/tenants/acme', acme)).status).toBe(200)
    expect((await ask(where, '/tenants/other', acme)).body.error).toBe('tenant_mismatch')
    expect((await ask(where, '/slip/acme', acme)).status).toBe(500)
  })

  it('opens nothing when something throws, or where it does not stand', async () => {
    const broken = Object.assign(() => Promise.reject(new Error('secret words')), {
      metadata: () => undefined,
    }) as never
    const where = await serve(broken)
    const answer = await ask(where, '/notes', await bearer())
    expect(answer.status).toBe(500)
    expect((await ask(await serve(guardOf()), '/unguarded', await bearer())).status).toBe(500)
  })

  it('serves the metadata document, to everybody', async () => {
    const where = await serve(guardOf())
    const answer = await ask(where, '/.well-known/oauth-protected-resource')
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': '*', 'content-type': 'application/json' },
      body: { resource: API, authorization_servers: [ISSUER], scopes_supported: ['notes:read'] },
    })
    expect(
      (await ask(await serve(guardOf({ metadata: undefined as never })), '/.well-known/oauth-protected-resource'))
        .status,
    ).toBe(404)
  })

  it('takes a token that is bound to a key with its proof for the whole address, mounted or not', async () => {
    const where = await serve(guardOf())
    const bound = await token({ cnf: { jkt } })
    const proof = (path: string, method = 'GET') => generateProof(key, API + path, method, undefined, bound)
    const call = async (path: string, DPoP: string) => ask(where, path, { Authorization: `DPoP ${bound}`, DPoP })
    for (const path of ['/notes', '/v1/notes'])
      expect((await call(path, await proof(path))).body, path).toEqual({ sub: 'alice', bound: 'dpop' })
    // The path that a mounted router sees is not the one that the client has signed for.
    const other = await call('/v1/notes', await proof('/notes'))
    expect([other.status, other.body.error]).toEqual([401, 'invalid_dpop_proof'])
    expect((await call('/notes', await proof('/notes', 'POST'))).body.error).toBe('invalid_dpop_proof')
    // [J-25] Scheme and host are the resource's, not those of the request line and Host.
    const elsewhere = await generateProof(key, `http://${where}/notes`, 'GET', undefined, bound)
    expect((await call('/notes', elsewhere)).status).toBe(401)
    const once = await proof('/notes')
    expect((await call('/notes', once)).status).toBe(200)
    expect((await call('/notes', once)).status).toBe(401)
  })

  it('takes a token that is bound to a certificate over a connection that has shown it', async () => {
    const where = await serve(guardOf(), { key: server.private, cert: server.cert, ca: ca.cert })
    const der = Buffer.from(client.cert.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    const bound = await bearer({ cnf: { 'x5t#S256': createHash('sha256').update(der).digest('base64url') } })
    const from = (who: { private: string; cert: string }) => ({
      key: who.private,
      cert: who.cert,
      rejectUnauthorized: false,
    })
    expect((await ask(where, '/notes', bound, from(client))).body).toEqual({ sub: 'alice', bound: 'mtls' })
    const answer = await ask(where, '/notes', bound, from(other))
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_token'])
  })

  it('takes the session cookie of a backend, from its own page', async () => {
    const { bff, tab, browser, now } = await world()
    await signIn(tab)
    const where = await serve(createGuard({ resource: `${APP}/notes`, accept: [sessionCookie(bff)], now }))
    const Cookie = browser.jar.header(`${APP}/`) ?? ''
    const own = { Cookie, 'Sallyport-CSRF': '1', Origin: APP, 'Sec-Fetch-Site': 'same-origin' }
    expect((await ask(where, '/notes', own)).body).toEqual({ sub: 'alice' })
    const { status, body } = await ask(where, '/notes', { ...own, Origin: 'https://evil.example' })
    expect([status, body.error]).toEqual([403, 'csrf_required'])
  })

  it('sees the peer, and what the client has sent: every header as often as it came', async () => {
    const seen: unknown[] = []
    const looking: Authenticator = {
      method: 'api_key',
      explicit: true,
      claims: () => 'certain',
      async verify(request) {
        seen.push([request.method, request.url, peerOf(request), request.headers.get('x-forwarded-for')])
        return { ok: true, principal: { method: 'api_key', sub: 'x', scopes: ['notes:read'], claims: {} } }
      },
    }
    const where = await serve(guardOf({ accept: [looking] }))
    await ask(where, '/v1/notes?x=1&y=%2F', { 'X-Forwarded-For': '10.0.0.1', 'X-Forwarded-Proto': 'https' })
    const peer = { address: '127.0.0.1', encrypted: false }
    expect(seen).toEqual([['GET', `http://${where}/v1/notes?x=1&y=%2F`, peer, '10.0.0.1']])
    const twice = await ask(await serve(guardOf()), '/notes', {
      Authorization: [`Bearer ${await token()}`, 'Bearer x'],
    })
    expect([twice.status, twice.body.error]).toEqual([400, 'invalid_request'])
  })

  it('answers 400 to a Host that would change the address', async () => {
    const where = await serve(guardOf())
    for (const Host of ['api.example.com/admin?', 'user@api.example.com', 'a b'])
      expect((await ask(where, '/notes', { Host, ...(await bearer()) })).status, `${name} ${Host}`).toBe(400)
    expect((await ask(where, '/notes', { Host: 'api.example.com:8443', ...(await bearer()) })).status).toBe(200)
  })
})

describe.each([
  ['toExpressGuard', toExpressGuard],
  ['toFastifyGuard', toFastifyGuard],
  ['toHonoGuard', toHonoGuard],
])('%s()', (_name, toGuard) => {
  it('takes no need that it does not know, and none without a value', () => {
    const guard = toGuard(guardOf())
    expect(() => guard({ scope: ['notes:write'] } as never)).toThrow(/"scope" is not known here; did you mean "scopes"/)
    expect(() => guard({ tenant: undefined } as never)).toThrow(/"tenant" .* undefined/)
    // Forgotten to be called: middleware that gets a request for its needs.
    expect(() => guard({ headers: {} } as never)).toThrow(TypeError)
    expect(guard()).toBeTypeOf('function')
  })
})

describe('a page of another origin', () => {
  const page = {
    Origin: APP,
    'Access-Control-Request-Method': 'GET',
    'Access-Control-Request-Headers': 'authorization',
  }
  const exposeHeaders = ['WWW-Authenticate', 'Retry-After']
  const serveApp = ({ fetch }: { fetch: Hono['fetch'] }) => listen(createServer(getRequestListener(fetch)))
  const guard = () => toHonoGuard(guardOf())({ scopes: ['notes:read'] })

  it('may ask, and reads refusals, where CORS comes before the guard', async () => {
    const app = new Hono().use(cors({ origin: [APP], exposeHeaders }))
    const where = await serveApp(app.all('/notes', guard(), (context) => context.json({})))
    const asked = await ask(where, '/notes', page, { method: 'OPTIONS' })
    expect([asked.status, asked.headers['access-control-allow-headers']]).toEqual([204, 'authorization'])
    const refused = await ask(where, '/notes', { Origin: APP })
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, APP])
    expect(refused.headers['access-control-expose-headers']).toBe(`${exposeHeaders}`)
    expect((await ask(where, '/notes', { Origin: APP, ...(await bearer()) })).status).toBe(200)
  })

  it('may not where it comes after', async () => {
    const app = new Hono().use('/notes', guard()).use(cors({ origin: [APP], exposeHeaders }))
    const where = await serveApp(app.all('/notes', (context) => context.json({})))
    const asked = await ask(where, '/notes', page, { method: 'OPTIONS' })
    expect([asked.status, asked.headers['access-control-allow-origin']]).toEqual([401, undefined])
  })
})

describe('principalOf()', () => {
  it.each<[string, unknown]>([
    ['bytes', Buffer.from('{}')],
    ['a text', 'text'],
    ['nothing', undefined],
    ['an object', {}],
  ])('says who calls where other middleware has put %s into request.raw', async (_name, raw) => {
    const app = express()
    app.use((request, _response, next) => next(void Object.assign(request, { raw })))
    app.get('/notes', toExpressGuard(guardOf())(), (request, response) => void response.json(principalOf(request).sub))
    const where = await listen(createServer(app))
    expect((await ask(where, '/notes', await bearer())).body).toBe('"alice"')
  })

  it('lets nobody through by a name in request.raw', async () => {
    const app = express()
    app.get('/notes', (request, response) => void response.json(principalOf(Object.assign(request, { raw: {} }))))
    app.use(((_error, _request, response, _next) => void response.status(500).end()) as express.ErrorRequestHandler)
    expect((await ask(await listen(createServer(app)), '/notes', await bearer())).status).toBe(500)
  })
})

describe('toFastifyGuard()', () => {
  it('works over HTTP/2, and with inject()', async () => {
    const guard = toFastifyGuard(guardOf())
    const app = fastify({ http2: true })
    closing.push(() => app.close())
    app.get('/notes', { onRequest: guard({ scopes: ['notes:read'] }) }, async (request) => ({
      sub: principalOf(request).sub,
    }))
    const session = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
    const { Authorization } = await bearer()
    const stream = session.request({ ':path': '/notes', authorization: Authorization })
    expect(await text(stream)).toBe('{"sub":"alice"}')
    session.close()
    expect((await app.inject({ url: '/notes', headers: { Authorization } })).json()).toEqual({ sub: 'alice' })
    expect((await app.inject('/notes')).statusCode).toBe(401)
  })
})
