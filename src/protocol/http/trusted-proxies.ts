import { inNetwork, isAddress, parseNetwork } from './networks.js'
import { peerOf } from './peer.js'

/** Characters of `X-Forwarded-For` that are read, from its end. */
const MAX_HEADER_LENGTH = 2048

/** @throws TypeError naming the option */
export function validateTrustedProxies(maker: string, networks: readonly string[]): void {
  const everybody = (network: string) => inNetwork('0.0.0.0', network) && inNetwork('255.255.255.255', network)
  const invalid = networks.find((network) => !parseNetwork(network) || everybody(network))
  if (invalid !== undefined)
    throw new TypeError(
      `${maker}: "trustedProxies" has ${JSON.stringify(invalid)}, which is no network of proxies like 10.0.0.0/8 or 2001:db8::7`,
    )
}

export const isTrustedProxy = (address: string, networks: readonly string[]): boolean =>
  networks.some((network) => inNetwork(address, network))

/** The client's address, and where it comes from. */
interface ClientAddress {
  address: string
  /** `true`: a trusted proxy reported it. `false`: it is the address of the socket. */
  forwarded: boolean
}

/**
 * The address that a request comes from: the socket's, or, if that is a trusted proxy's, the last one in
 * `X-Forwarded-For` that is not a trusted proxy's. Each proxy appends the address that it sees; anybody can have
 * written what comes before. `undefined` if the address is unknown, or if a proxy sends a header that cannot be parsed.
 *
 * `Forwarded` (RFC 7239) is ignored: a proxy that does not support it passes on what the client has sent.
 */
export function clientAddressOf(
  request: { readonly headers: Pick<Headers, 'get'> },
  networks: readonly string[],
): ClientAddress | undefined {
  const address = peerOf(request)?.address
  if (!address) return undefined
  if (!isTrustedProxy(address, networks)) return { address, forwarded: false }
  const list = request.headers.get('x-forwarded-for')?.slice(-MAX_HEADER_LENGTH).split(',') ?? []
  for (const entry of list.reverse()) {
    const named = withoutPort(entry.trim())
    if (!isAddress(named)) return undefined
    if (!isTrustedProxy(named, networks)) return { address: named, forwarded: true }
  }
  return undefined
}

const withoutPort = (entry: string): string =>
  /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry
