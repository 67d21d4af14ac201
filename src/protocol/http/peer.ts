/** What a `Request` cannot say: who is at the other end of the connection. */
export interface Peer {
  /** The address of the socket, never of a forwarding header. */
  address: string
  /** Whether this connection is TLS. */
  encrypted: boolean
  /** The client's certificate, DER, where TLS asked for one and verified it. */
  certificate?: Uint8Array
}

const peers = new WeakMap<object, Peer | (() => Peer)>()

/**
 * Ties the peer of its connection to a request and returns the same request. A WeakMap rather than a second argument
 * or a header: no runtime's own second argument can be mistaken for it, and no client can send it. A function is called
 * once, when somebody wants to know.
 */
export function withPeer<Asked extends object>(request: Asked, peer: Peer | (() => Peer)): Asked {
  peers.set(request, peer)
  return request
}

/** The peer that a rim tied to this request, if one did. */
export function peerOf(request: object): Peer | undefined {
  const peer = peers.get(request)
  if (typeof peer !== 'function') return peer
  const known = peer()
  peers.set(request, known)
  return known
}

/** What a socket of Node says of the other end, plain or TLS: structurally, since nobody imports a runtime for it. */
export interface SocketOfNode {
  readonly remoteAddress?: string | undefined
  readonly encrypted?: boolean
  readonly authorized?: boolean
  getPeerCertificate?(): { readonly raw?: Uint8Array } | undefined
}

/** Who is at the other end of a socket of Node. */
export function peerOfSocket(socket: SocketOfNode): Peer {
  const certificate = socket.authorized ? socket.getPeerCertificate?.()?.raw : undefined
  return {
    address: socket.remoteAddress ?? '',
    encrypted: socket.encrypted === true,
    ...(certificate && { certificate: new Uint8Array(certificate) }),
  }
}
