import { encodeBase64url } from '../protocol/base64url.js'

/** The attributes of a distinguished name, by their short names: `{ CN: ['svc'], O: ['Acme'] }`. */
type DistinguishedName = Readonly<Record<string, readonly string[]>>

/** The content of a certificate. */
export interface CertificateContent {
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  /** The subject alternative names, by type. */
  readonly names: Readonly<Record<'dns' | 'uri' | 'email' | 'ip', readonly string[]>>
  /** Hexadecimal. */
  readonly serialNumber: string
  /** Epoch seconds: the first and the last second in which it is valid. */
  readonly notBefore: number
  readonly notAfter: number
}

/** The part of node:crypto that is used, as a structural type, so that no Node types are imported. */
interface NodeCertificate {
  readonly raw: Uint8Array
  readonly subjectAltName: string | undefined
  readonly validFrom: string
  readonly validTo: string
  readonly serialNumber: string
  toLegacyObject(): Record<'subject' | 'issuer', Record<string, string | string[]> | undefined>
}

/** The SHA-256 thumbprint of a certificate, as in `x5t#S256`. @see RFC 8705 section 3.1 */
export const thumbprintOf = async (der: Uint8Array): Promise<string> =>
  encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(der))))

/**
 * Reads a certificate. Returns `undefined` on runtimes that cannot (Deno, and those without the `X509Certificate` of
 * node:crypto).
 *
 * Not checked: who signed it.
 *
 * @throws if the bytes are not exactly one certificate
 */
export function readCertificate(der: Uint8Array): CertificateContent | undefined {
  const { process: host } = globalThis as {
    process?: { getBuiltinModule?(id: string): unknown; versions?: { deno?: string } }
  }
  const { X509Certificate } = (host?.getBuiltinModule?.('node:crypto') ?? {}) as {
    X509Certificate?: new (der: Uint8Array) => NodeCertificate
  }
  // Deno does not escape alternative names: one name could look like several.
  if (!X509Certificate || host?.versions?.deno !== undefined) return undefined
  const read = new X509Certificate(der)
  const { subject, issuer } = read.toLegacyObject()
  const [notBefore = Number.NaN, notAfter = Number.NaN] = [read.validFrom, read.validTo].map(
    (at) => Date.parse(at) / 1000,
  )
  // `X509Certificate` also accepts PEM, and ignores trailing bytes.
  if (read.raw.length !== der.length || Number.isNaN(notBefore + notAfter)) throw new Error('not a certificate')
  const { serialNumber } = read
  return {
    subject: attributesOf(subject),
    issuer: attributesOf(issuer),
    names: namesOf(read.subjectAltName ?? ''),
    serialNumber,
    notBefore,
    notAfter,
  }
}

const attributesOf = (name: Record<string, string | string[]> = {}): DistinguishedName =>
  Object.fromEntries(Object.entries(name).map(([type, value]) => [type, [value].flat()]))

const nameTypes = new Map([
  ['DNS', 'dns'],
  ['URI', 'uri'],
  ['email', 'email'],
  ['IP Address', 'ip'],
] as const) as ReadonlyMap<string, 'dns' | 'uri' | 'email' | 'ip'>

/**
 * Node writes all names into one text, `DNS:a.example, URI:"odd\u002c name"`. A name with a special character is a JSON
 * string.
 */
function namesOf(text: string): CertificateContent['names'] {
  const names: Record<'dns' | 'uri' | 'email' | 'ip', string[]> = { dns: [], uri: [], email: [], ip: [] }
  const name = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y
  while (name.lastIndex < text.length) {
    const [, kind = '', value = ''] = name.exec(text) ?? []
    if (kind === '') throw new Error('not a list of names')
    const list = nameTypes.get(kind)
    if (list) names[list].push(value.startsWith('"') ? JSON.parse(value) : value)
  }
  return names
}
