import { compactVerify, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createFailureReports } from '../../../src/provider/failures/report.js'
import { createProviderKeys } from '../../../src/provider/jwt/provider-keys.js'

async function scene() {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const events: unknown[] = []
  const here = { down: false, requests: 0, kid: 'a' }
  const metadata = { issuer: 'https://login.example.net', jwks_uri: 'https://login.example.net/jwks' }
  const keys = createProviderKeys(
    {
      issuer: 'https://login.example.net',
      timeout: 5,
      now: () => Date.now() / 1000,
      fetch: async () => {
        here.requests++
        if (here.down) throw new TypeError('fetch failed')
        return Response.json({ keys: [{ ...(await exportJWK(publicKey)), kid: here.kid }] })
      },
    },
    async () => metadata,
    createFailureReports({ emit: (event) => events.push(event) }, () => metadata),
  )
  const signed = (kid: string) => new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)
  const atOnce = async (kid = 'a', flawed = '') => {
    const token = `${await signed(kid)}${flawed}`
    return keys.verifyAtOnce(token, (known) => compactVerify(token, known))
  }
  const verify = async (kid = 'a') => {
    const token = await signed(kid)
    return keys.verify(token, (known) => compactVerify(token, known))
  }
  const advance = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000)
  return { here, events, atOnce, verify, advance }
}

const keysOutage = {
  type: 'provider_unavailable',
  detail: 'keys: no response, TypeError (https://login.example.net/jwks)',
}

describe('the keys of a provider', () => {
  it('serve for as long as no newer ones can be read', async () => {
    const { here, verify, advance } = await scene()
    here.down = true
    await expect(verify()).rejects.toThrow()
    here.down = false
    await verify()
    here.down = true
    advance(4000)
    await verify()
    await expect(verify('b')).rejects.toThrow()
  })

  it('are read in the background when they are needed at once, again after a minute if that fails', async () => {
    const { here, events, atOnce, advance } = await scene()
    here.down = true
    expect(await atOnce()).toBeUndefined()
    await vi.waitFor(() => expect(events).toEqual([keysOutage]))
    expect(await atOnce()).toBeUndefined()
    expect(here.requests).toBe(1)
    here.down = false
    advance(61)
    expect(await atOnce()).toBeUndefined()
    await vi.waitFor(async () => expect(await atOnce()).toBe(true))
    expect(await atOnce('a', 'x')).toBe(false)
    expect(here.requests).toBe(2)
  })

  it('are read again for a key that the provider has just begun to use', async () => {
    const { here, atOnce, verify, advance } = await scene()
    await verify()
    here.kid = 'b'
    advance(31)
    expect(await atOnce('b')).toBeUndefined()
    await vi.waitFor(async () => expect(await atOnce('b')).toBe(true))
  })
})
