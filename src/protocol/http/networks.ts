/** An address as 16 bytes; IPv4 as the IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2). */
function bytesOf(address: string): Uint8Array | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)
  if (four) {
    const parts = four.slice(1).map(Number)
    if (parts.some((part, at) => part > 255 || String(part) !== four[at + 1])) return undefined
    return Uint8Array.from([...Array(10).fill(0), 255, 255, ...parts])
  }
  // `URL` parses and normalizes IPv6 addresses.
  if (!/^[0-9a-f:.]{2,45}$/i.test(address) || !address.includes(':') || !URL.canParse(`http://[${address}]/`))
    return undefined
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined) => (text ? text.split(':') : [])
  const before = groups(head)
  const after = groups(tail)
  const all = tail === undefined ? before : [...before, ...Array(8 - before.length - after.length).fill('0'), ...after]
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]))
}

interface Network {
  readonly bytes: Uint8Array
  readonly bits: number
}

/** Whether an address is in a network like `10.0.0.0/8`, `2001:db8::/32` or a single address. */
export function inNetwork(address: string, network: string): boolean {
  const parsed = parseNetwork(network)
  const bytes = bytesOf(address)
  return parsed !== undefined && bytes !== undefined && isIn(bytes, parsed)
}

function isIn(bytes: Uint8Array, network: Network): boolean {
  for (let bit = 0; bit < network.bits; bit++) {
    const mask = 128 >> (bit & 7)
    if (((bytes[bit >> 3] ?? 0) & mask) !== ((network.bytes[bit >> 3] ?? 0) & mask)) return false
  }
  return true
}

export const isAddress = (text: string): boolean => bytesOf(text) !== undefined

/**
 * Networks that are not on the public internet: this host, private and shared networks, link-local, test, multicast.
 * @see RFC 6890
 */
const specialNetworks: readonly Network[] = (
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15 ' +
  '224.0.0.0/3 ::/128 ::1/128 fc00::/7 fe80::/10 ff00::/8'
)
  .split(' ')
  .flatMap((text) => parseNetwork(text) ?? [])

/** Whether an address is on the public internet. An address with a zone (`fe80::1%eth0`) never is. */
export function isPublicAddress(address: string): boolean {
  const bytes = bytesOf(address)
  return bytes !== undefined && !specialNetworks.some((network) => isIn(bytes, network))
}

/** `undefined`: not a network. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const bytes = bytesOf(address)
  if (!bytes) return undefined
  const most = address.includes(':') ? 128 : 32
  const bits = length === undefined ? most : Number(length)
  return bits <= most ? { bytes, bits: bits + 128 - most } : undefined
}

/** Whether the bytes of an address are those of an IPv4 address. */
const isIPv4 = (bytes: Uint8Array): boolean => bytes[10] === 255 && bytes.slice(0, 10).every((byte) => byte === 0)

/** The network that tells where a key is used: /24 of IPv4, /64 of IPv6. It is stored. */
export function networkPrefix(address: string): string | undefined {
  const bytes = bytesOf(address)
  return bytes && [...bytes.slice(0, isIPv4(bytes) ? 15 : 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * What an address counts as in rate limits: the /64 network of an IPv6 address, because a host can use all of its
 * addresses; IPv4 as it is, mapped or not. Any other text as it is. @see RFC 6177
 */
export function rateLimitNetwork(address: string): string {
  const bare = address.replace(/%.*$/, '')
  const bytes = bytesOf(bare)
  if (!bytes) return bare
  if (isIPv4(bytes)) return bytes.slice(12).join('.')
  const groups = new Uint16Array(4).map((_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0))
  return `${[...groups].map((group) => group.toString(16)).join(':')}::/64`
}
