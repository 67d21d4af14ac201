import { createHash, X509Certificate } from 'node:crypto'
import { createServer, request as httpsRequest, type Server } from 'node:https'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import {
  accessToken,
  type ClientCertificate,
  type ClientCertificateOptions,
  clientCertificate,
  createGuard,
  type GuardEvent,
  type GuardOptions,
  withPeer,
} from 'sallyport/guard'
import { toNodeListener } from 'sallyport/node'
import { generate } from 'selfsigned'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bodyOf, ISSUER } from '../world.js'
import { goodClaims } from './claims.js'

const API = 'https://api.example.com'
const NOW = Math.floor(Date.now() / 1000)
const { privateKey, publicKey } = await generateKeyPair('RS256')
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }] }

const date = (seconds: number) => new Date(seconds * 1000)
const authority = await generate([{ name: 'commonName', value: 'Authority' }], {
  keyType: 'ec',
  algorithm: 'sha256',
  notBeforeDate: date(NOW - 5000),
  notAfterDate: date(NOW + 50_000),
  extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
})

/** A certificate of that authority, valid from an hour ago until in an hour. */
async function issued(commonName: string, altNames: { type: 1 | 2 | 6 | 7; value?: string; ip?: string }[] = []) {
  const { cert, private: key } = await generate(
    [
      { name: 'commonName', value: commonName },
      { shortName: 'O', value: 'Acme' },
      { shortName: 'OU', value: 'one' },
      { shortName: 'OU', value: 'two' },
    ],
    {
      keyType: 'ec',
      algorithm: 'sha256',
      ca: { key: authority.private, cert: authority.cert },
      notBeforeDate: date(NOW - 3600),
      notAfterDate: date(NOW + 3600),
      ...(altNames.length && { extensions: [{ name: 'subjectAltName' as const, altNames }] }),
    },
  )
  const der = new Uint8Array(new X509Certificate(cert).raw)
  return { cert, key, der, x5t: createHash('sha256').update(der).digest('base64url') }
}

const billing = await issued('billing', [
  { type: 2, value: 'billing.example.com' },
  { type: 6, value: 'spiffe://acme/billing' },
  { type: 1, value: 'billing@example.com' },
  { type: 7, ip: '10.1.2.3' },
])
const stranger = await issued('stranger')

/** A guard that lets `billing` in, by its alternative name. */
function scene(options: Partial<ClientCertificateOptions> = {}, guard: Partial<GuardOptions> = {}) {
  let time = NOW
  const events: GuardEvent[] = []
  const seen: ClientCertificate[] = []
  const issuerFetch = (async (input: RequestInfo | URL) =>
    Response.json(`${input}`.endsWith('/jwks') ? jwks : { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` })) as typeof fetch
  const identify: ClientCertificateOptions['identify'] = (certificate) => {
    seen.push(certificate)
    if (!certificate.names?.uri.includes('spiffe://acme/billing')) return undefined
    return { sub: 'billing', scopes: ['invoices:read'], tenant: 'acme', claims: { team: 'money', 'x5t#S256': 'no' } }
  }
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, fetch: issuerFetch }), clientCertificate({ identify, ...options })],
    onEvent: (event) => events.push(event),
    now: () => time,
    ...guard,
  })
  return {
    protect,
    events,
    seen,
    advanceTo: (seconds: number) => {
      time = seconds
    },
    async call(
      certificate: Uint8Array | undefined,
      headers: Record<string, string> | Headers = {},
      {
        requirements = {},
        address = '192.0.2.1',
      }: { requirements?: Parameters<typeof protect>[1]; address?: string } = {},
    ) {
      const peer = { address, encrypted: true, ...(certificate && { certificate }) }
      const outcome = await protect(withPeer(new Request(`${API}/invoices`, { headers }), peer), requirements)
      if (outcome.ok) return `${outcome.principal.method} ${outcome.principal.sub}`
      return `${outcome.response.status} ${(await bodyOf(outcome.response.clone())).error}`
    },
  }
}

const tokenFor = (cnf?: unknown) =>
  new SignJWT({ ...goodClaims(ISSUER, API, NOW), ...(cnf !== undefined && { cnf }) })
    .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })
    .sign(privateKey)

const clientCert = (der: Uint8Array) => `:${Buffer.from(der).toString('base64')}:`

describe('a client certificate', () => {
  it('is whoever the application says, by what stands in it', async () => {
    const it = scene()
    const request = withPeer(new Request(API), { address: '192.0.2.1', encrypted: true, certificate: billing.der })
    const requirements = {
      scopes: ['invoices:read'],
      tenant: 'acme',
      bound: true,
      methods: ['client_certificate'] as const,
    }
    expect(await it.protect(request, requirements)).toEqual({
      ok: true,
      principal: {
        method: 'client_certificate',
        sub: 'billing',
        scopes: ['invoices:read'],
        tenant: 'acme',
        bound: 'mtls',
        expiresAt: NOW + 3600,
        claims: { team: 'money', 'x5t#S256': billing.x5t },
      },
    })
    expect(it.seen[0]).toEqual({
      der: billing.der,
      'x5t#S256': billing.x5t,
      subject: { CN: ['billing'], O: ['Acme'], OU: ['one', 'two'] },
      issuer: { CN: ['Authority'] },
      names: {
        dns: ['billing.example.com'],
        uri: ['spiffe://acme/billing'],
        email: ['billing@example.com'],
        ip: ['10.1.2.3'],
      },
      serialNumber: expect.stringMatching(/^[\dA-F]+$/),
      notBefore: NOW - 3600,
      notAfter: NOW + 3600,
    })
    expect(it.events).toEqual([{ type: 'accepted', method: 'client_certificate', sub: 'billing' }])
  })

  it('has the scopes and the tenant that the application gave it', async () => {
    const it = scene()
    expect(await it.call(billing.der, {}, { requirements: { scopes: ['invoices:write'] } })).toBe(
      '403 insufficient_scope',
    )
    expect(await it.call(billing.der, {}, { requirements: { tenant: 'umbrella' } })).toBe('403 tenant_mismatch')
    expect(await it.call(billing.der, {}, { requirements: { methods: ['access_token'] } })).toBe(
      '403 credential_not_accepted',
    )
    const bare = scene({ identify: async () => ({ sub: 'somebody' }) })
    expect(await bare.call(stranger.der)).toBe('client_certificate somebody')
    expect(await bare.call(stranger.der, {}, { requirements: { scopes: ['invoices:read'] } })).toBe(
      '403 insufficient_scope',
    )
  })

  it('that stands for nobody is 401, with the challenges that would be accepted and no word about it', async () => {
    const it = scene()
    const request = withPeer(new Request(API), { address: '::1', encrypted: true, certificate: stranger.der })
    const outcome = await it.protect(request)
    if (outcome.ok) throw new Error('accepted')
    expect(outcome.response.status).toBe(401)
    expect(outcome.response.headers.get('www-authenticate')).toBe('Bearer')
    expect(await bodyOf(outcome.response)).toMatchObject({ error: 'invalid_token' })
    expect(it.events).toMatchObject([{ method: 'client_certificate', detail: 'unknown certificate' }])
    expect(await scene({ identify: () => ({ sub: '' }) }).call(stranger.der)).toBe('401 invalid_token')
  })

  it('is 503 while the application cannot say whose it is, and asked about every time', async () => {
    const answers = [new Error('directory down'), { sub: 'billing' }, undefined]
    const it = scene({
      identify: async () => {
        const answer = answers.shift()
        if (answer instanceof Error) throw answer
        return answer
      },
    })
    expect(await it.call(billing.der)).toBe('503 keys_unavailable')
    expect(await it.call(billing.der)).toBe('client_certificate billing')
    expect(await it.call(billing.der)).toBe('401 invalid_token')
  })

  it('[A-46][A-46 twin] is good from its first second to its last, by the guard’s clock', async () => {
    const it = scene()
    for (const [at, says] of [
      [NOW - 3601, '401 invalid_token'],
      [NOW - 3600, 'client_certificate billing'],
      [NOW + 3600, 'client_certificate billing'],
      [NOW + 3600.5, '401 invalid_token'],
    ] as const) {
      it.advanceTo(at)
      expect(await it.call(billing.der), `${at - NOW}`).toBe(says)
    }
    expect(it.seen).toHaveLength(2)
    expect(it.events.map((event) => 'detail' in event && event.detail)).toEqual([
      'not valid yet',
      false,
      false,
      'expired',
    ])
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['junk', Uint8Array.of(1, 2, 3)],
    ['half of one', billing.der.slice(0, 200)],
    ['one with something behind it', Uint8Array.of(...billing.der, 0)],
    ['one as text', new TextEncoder().encode(billing.cert)],
  ])('that is %s stands for nobody', async (_name, der) => {
    const it = scene({ identify: () => ({ sub: 'anybody' }) })
    expect(await it.call(der)).toBe('401 invalid_token')
  })

  it('does not gain a name by another that looks like several', async () => {
    const forged = await issued('mallory', [
      { type: 6, value: 'spiffe://acme/other, URI:spiffe://acme/billing' },
      { type: 2, value: 'a", URI:spiffe://acme/billing' },
      { type: 2, value: 'a\\", URI:spiffe://acme/billing' },
    ])
    const it = scene()
    expect(await it.call(forged.der)).toBe('401 invalid_token')
    expect(it.seen[0]?.names).toEqual({
      dns: ['a", URI:spiffe://acme/billing', 'a\\", URI:spiffe://acme/billing'],
      uri: ['spiffe://acme/other, URI:spiffe://acme/billing'],
      email: [],
      ip: [],
    })
  })

  it('counts where nothing was sent on purpose, and never in place of what was', async () => {
    const it = scene()
    expect(await it.call(billing.der, { Authorization: `Bearer ${await tokenFor()}` })).toBe('access_token alice')
    for (const headers of [{ Authorization: 'Bearer junk' }, { Authorization: 'Basic eDp5' }, { 'X-API-Key': 'key' }])
      expect(await it.call(billing.der, headers)).toBe('401 invalid_token')
    expect(it.seen).toEqual([])
    expect(await it.call(undefined)).toBe('401 missing_credentials')
  })

  it('[A-49 twin] beside a token that is bound to it is that token’s proof', async () => {
    const it = scene()
    const headers = { Authorization: `Bearer ${await tokenFor({ 'x5t#S256': stranger.x5t })}` }
    expect(await it.call(stranger.der, headers, { requirements: { bound: true } })).toBe('access_token alice')
    expect(await it.call(billing.der, headers)).toBe('401 invalid_token')
  })

  it('is known by its digest alone where the runtime cannot read it', async () => {
    const modules = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never)
    const it = scene({
      identify: ({ 'x5t#S256': x5t, ...rest }) => {
        expect(rest).toEqual({ der: billing.der })
        return x5t === billing.x5t ? { sub: 'billing' } : undefined
      },
    })
    it.advanceTo(NOW + 99_999)
    expect(await it.call(billing.der)).toBe('client_certificate billing')
    modules.mockRestore()
  })

  it('needs somebody to say whose it is', () => {
    expect(() => clientCertificate({} as ClientCertificateOptions)).toThrow('clientCertificate: "identify"')
  })
})

describe('a certificate in a header', () => {
  const trusting = (trustedProxies = ['10.0.0.0/8', '2001:db8::7']) => scene({}, { trustedProxies })
  const forwarded = { 'Client-Cert': clientCert(billing.der) }

  it.each(['10.0.0.1', '10.255.255.255', '::ffff:10.3.2.1', '2001:db8::7'])(
    '[A-49 twin] is taken from the proxy at %s, for itself and as proof of a token',
    async (address) => {
      const it = trusting()
      expect(await it.call(undefined, forwarded, { address })).toBe('client_certificate billing')
      const bearer = { Authorization: `Bearer ${await tokenFor({ 'x5t#S256': billing.x5t })}` }
      expect(await it.call(undefined, { ...bearer, ...forwarded }, { address })).toBe('access_token alice')
    },
  )

  it.each(['192.0.2.1', '11.0.0.0', '2001:db8::8', '::1', '', 'unix', '10.0.0.1, 192.0.2.1'])(
    '[A-49] is nothing when it comes from “%s”',
    async (address) => {
      const it = trusting()
      expect(await it.call(undefined, forwarded, { address })).toBe('401 missing_credentials')
      const bearer = { Authorization: `Bearer ${await tokenFor({ 'x5t#S256': billing.x5t })}` }
      expect(await it.call(undefined, { ...bearer, ...forwarded }, { address })).toBe('401 invalid_token')
      // What the connection itself has shown counts as ever.
      expect(await it.call(billing.der, { 'Client-Cert': clientCert(stranger.der) }, { address })).toBe(
        'client_certificate billing',
      )
    },
  )

  it('[A-49] is nothing where no proxy is trusted, or no rim says who it comes from', async () => {
    expect(await scene().call(undefined, forwarded, { address: '10.0.0.1' })).toBe('401 missing_credentials')
    const outcome = await trusting().protect(new Request(API, { headers: forwarded }))
    expect(outcome.ok).toBe(false)
  })

  it('[A-49] is the only one that counts: the proxy’s own certificate is nobody’s', async () => {
    const it = trusting()
    const address = '10.0.0.1'
    expect(await it.call(billing.der, {}, { address })).toBe('401 missing_credentials')
    expect(await it.call(stranger.der, forwarded, { address })).toBe('client_certificate billing')
    expect(await it.call(billing.der, { 'Client-Cert': clientCert(stranger.der) }, { address })).toBe(
      '401 invalid_token',
    )
    const bearer = { Authorization: `Bearer ${await tokenFor({ 'x5t#S256': billing.x5t })}` }
    expect(await it.call(billing.der, bearer, { address })).toBe('401 invalid_token')
  })

  const base64 = Buffer.from(billing.der).toString('base64')
  it.each([
    ['no byte sequence', base64],
    ['empty', ''],
    ['an empty byte sequence', '::'],
    ['without its end', `:${base64}`],
    ['two in one value', `:${base64}:, :${base64}:`],
    ['with parameters', `:${base64}:;a=1`],
    ['base64url', `:${base64.replaceAll('+', '-').replaceAll('/', '_')}-:`],
    ['with a space inside', `:${base64.slice(0, 8)} ${base64.slice(8)}:`],
    ['badly padded', `:${base64.replace(/=*$/, '')}===:`],
    ['as PEM in a URL', encodeURIComponent(billing.cert)],
    ['too long', `:${'A'.repeat(16_384)}:`],
  ])('that is %s is 400, whatever else was sent', async (_name, value) => {
    const it = trusting()
    const address = '10.0.0.1'
    for (const more of [{}, { Authorization: `Bearer ${await tokenFor()}` }])
      expect(await it.call(billing.der, { 'Client-Cert': value, ...more }, { address })).toBe('400 invalid_request')
    expect(it.events.at(-1)).toMatchObject({ detail: 'Client-Cert' })
  })

  it('that came twice is 400: the proxy has not removed the client’s', async () => {
    const headers = new Headers(forwarded)
    headers.append('Client-Cert', clientCert(stranger.der))
    expect(await trusting().call(undefined, headers, { address: '10.0.0.1' })).toBe('400 invalid_request')
  })

  it('is read the same when a request is judged twice, and hides nobody who needs none', async () => {
    const it = trusting()
    const peer = { address: '10.0.0.1', encrypted: false }
    const request = withPeer(new Request(API, { headers: forwarded }), peer)
    expect([(await it.protect(request)).ok, (await it.protect(request)).ok]).toEqual([true, true])
    expect(await it.call(undefined, { Authorization: `Bearer ${await tokenFor()}` }, peer)).toBe('access_token alice')
  })

  it.each(['10.0.0.0/33', '10.0.0', 'proxy.internal', '0.0.0.0/0', '0.0.0.0/00', '::/0', '::ffff:0:0/96', ''])(
    'cannot be trusted from “%s”',
    (network) => {
      expect(() => trusting([network])).toThrow(`createGuard: "trustedProxies" has "${network}"`)
    },
  )
})

describe('over a socket', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections()
  })

  /** A real server that asks for certificates of the authority, and takes whoever has none. */
  async function serve(guard: Partial<GuardOptions> = {}) {
    const own = await issued('localhost', [{ type: 2, value: 'localhost' }])
    const here = scene({}, guard)
    const handler = here.protect.handler({}, (_request, { method, sub }) => Response.json({ method, sub }))
    const server = createServer(
      { key: own.key, cert: own.cert, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
      toNodeListener({ fetch: handler }),
    ).listen(0, '127.0.0.1')
    servers.push(server)
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const ask = (client: { cert?: string; key?: string }, headers: Record<string, string | string[]> = {}) =>
      new Promise<string>((resolve, reject) => {
        const options = { port, ca: authority.cert, headers, agent: false as const, cert: client.cert, key: client.key }
        httpsRequest('https://localhost', options, async (response) => {
          let body = ''
          for await (const part of response) body += part
          const { error, method, sub } = JSON.parse(body)
          resolve(response.statusCode === 200 ? `${method} ${sub}` : `${response.statusCode} ${error}`)
        })
          .on('error', reject)
          .end()
      })
    return { ...here, ask }
  }

  it('[A-49][A-49 twin] a certificate counts when the server has verified it, and a header that says so does not', async () => {
    const { ask, advanceTo } = await serve()
    expect(await ask(billing)).toBe('client_certificate billing')
    expect(await ask({})).toBe('401 missing_credentials')
    expect(await ask({}, { 'Client-Cert': clientCert(billing.der) })).toBe('401 missing_credentials')
    expect(await ask(stranger, { 'Client-Cert': clientCert(billing.der) })).toBe('401 invalid_token')
    const bearer = { Authorization: `Bearer ${await tokenFor({ 'x5t#S256': billing.x5t })}` }
    expect(await ask(billing, bearer)).toBe('access_token alice')
    expect(await ask(stranger, bearer)).toBe('401 invalid_token')
    // Of the same names, and of nobody whom the server knows.
    const names = [{ type: 6 as const, value: 'spiffe://acme/billing' }]
    const self = await generate([{ name: 'commonName', value: 'billing' }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames: names }],
    })
    expect(await ask({ cert: self.cert, key: self.private })).toBe('401 missing_credentials')
    advanceTo(NOW + 3601)
    expect(await ask(billing)).toBe('401 invalid_token')
  })

  it('[A-49 twin] a header counts when the proxy that writes it is trusted', async () => {
    const { ask } = await serve({ trustedProxies: ['127.0.0.1'] })
    expect(await ask(stranger, { 'Client-Cert': clientCert(billing.der) })).toBe('client_certificate billing')
    expect(await ask(billing)).toBe('401 missing_credentials')
    expect(await ask(billing, { 'Client-Cert': [clientCert(stranger.der), clientCert(billing.der)] })).toBe(
      '400 invalid_request',
    )
  })
})
