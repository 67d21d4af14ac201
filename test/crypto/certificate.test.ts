import { describe, expect, it } from 'vitest'
import { readCertificate, thumbprintOf } from '../../src/crypto/certificate.js'

/** `CN=x, O=a\, b`, and two names, of which the first looks like two: made with openssl, its key thrown away. */
const odd =
  'MIIBdzCCAR2gAwIBAgIEC63A3jAKBggqhkjOPQQDAjAbMQowCAYDVQQDDAF4MQ0wCwYDVQQKDARhLCBiMB4XDTI2MTEyODExMzQwOVoXDTM2MT' +
  'EyNTExMzQwOVowGzEKMAgGA1UEAwwBeDENMAsGA1UECgwEYSwgYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABM2rRtIj31eSXQKxl8Wn8Ga2' +
  'GNRXudNc26EZDPiyzbPHfzUxDyTsLhcpiabPxnmr4XSZlQjr7YmJ8jqQk/BWV4ajTzBNMCwGA1UdEQQlMCOGFXNwaWZmZTovL2EsIEROUzphZG' +
  '1pboIKb2suZXhhbXBsZTAdBgNVHQ4EFgQUb5fA1TDGXyqvC3dn633nSl7LoBEwCgYIKoZIzj0EAwIDSAAwRQIhAOYjpbadLIzGfpcj2cpPJUIS' +
  '4bRehPlro/HfY70KjlcmAiBp3RwXyCRM5FFc5w1zXRcVZg74++TgdYxU5Uc8A0st6Q=='
const der = Uint8Array.from(atob(odd), (letter) => letter.charCodeAt(0))

// Runs in other runtimes as well (test/runtimes).
describe('a certificate', () => {
  it('is read name by name, or not at all', () => {
    const content = readCertificate(der)
    if ('Deno' in globalThis) expect(content).toBeUndefined()
    else
      expect(content).toMatchObject({
        subject: { CN: ['x'], O: ['a, b'] },
        names: { uri: ['spiffe://a, DNS:admin'], dns: ['ok.example'], email: [], ip: [] },
      })
  })

  it('has the same thumbprint everywhere', async () => {
    expect(await thumbprintOf(der)).toBe('JXUFoJbnRegDqK_BIKK4Nu31oFrOZTr4RpQQI0t0uXI')
  })
})
