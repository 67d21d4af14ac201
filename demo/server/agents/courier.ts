import { createHash, X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { mutualTls, toNodeListener } from 'sallyport/node'
import { type GenerateResult, generate } from 'selfsigned'

/** A client certificate that the courier accepts. */
export interface ClientCertificate {
  /** SHA-256, base64url: the value that a token is bound to. @see RFC 8705 section 3.1 */
  readonly thumbprint: string
  /** `fetch` with it. */
  readonly fetch: typeof globalThis.fetch
}

export type Courier = Awaited<ReturnType<typeof startCourier>>

const day = 86_400_000
const key = { keyType: 'ec', algorithm: 'sha256' } as const
const named = (value: string) => [{ name: 'commonName', value }]

/**
 * Another company: an API that accepts only connections with a certificate of its authority. It runs on loopback. Its
 * certificates are valid while the demo runs.
 */
export async function startCourier() {
  const notAfterDate = new Date(Date.now() + 30 * day)
  const authority = await generate(named('Pigeon Post authority'), {
    ...key,
    notAfterDate,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  })
  const ca = { key: authority.private, cert: authority.cert }
  const own: GenerateResult = await generate(named('127.0.0.1'), {
    ...key,
    notAfterDate,
    ca,
    extensions: [
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  let answer = async (_: Request): Promise<Response> => new Response(null, { status: 503 })
  const server = createServer(
    { key: own.private, cert: own.cert, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    toNodeListener({ fetch: (request) => answer(request) }),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  const address = server.address()
  const origin = `https://127.0.0.1:${address && typeof address === 'object' ? address.port : 0}`

  return {
    /** Its resource indicator and base URL. */
    resource: `${origin}/bookings`,

    handle(answering: (request: Request) => Promise<Response>): void {
      answer = answering
    },

    /** Issues a certificate for an agent. */
    async certify(name: string): Promise<ClientCertificate> {
      const made = await generate(named(name), {
        ...key,
        notAfterDate,
        ca,
        extensions: [{ name: 'extKeyUsage', clientAuth: true }],
      })
      const thumbprint = createHash('sha256').update(new X509Certificate(made.cert).raw).digest('base64url')
      return { thumbprint, fetch: mutualTls({ cert: made.cert, key: made.private, ca: authority.cert }) }
    },

    async close(): Promise<void> {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
