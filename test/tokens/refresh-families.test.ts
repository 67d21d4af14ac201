import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { memoryStore } from 'sallyport/store'
import { createTokenIssuer, type TokenIssuerOptions } from 'sallyport/tokens'
import { describe, expect, it } from 'vitest'

const API = 'https://api.example.com'
const OTHER = 'https://other.example.com'
const DAY = 86_400
const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const key = JSON.stringify(await exportJWK(privateKey))

function scene(options: Partial<TokenIssuerOptions> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const keys = [{ alg: 'ES256', key }] as const
  const store = memoryStore({ now })
  const issuer = 'https://notes.example.com'
  const tokens = createTokenIssuer({ issuer, audience: API, keys, store, now, ...options })
  const input = { sub: 'alice', client_id: 'cli', scopes: ['notes:read'], refresh: true }
  return {
    tokens,
    issue: async (more: object = {}) => `${(await tokens.issue({ ...input, ...more })).refresh_token}`,
    advance(seconds: number) {
      time += seconds
    },
  }
}

describe('what came from one sign-in', () => {
  it.each([
    [30, {}],
    [10, { refreshTokenAbsoluteLifetime: 10 * DAY }],
  ])('ends after %i days, however often it is renewed', async (days, options) => {
    const { tokens, issue, advance } = scene(options)
    let token = await issue()
    for (let day = 1; day < days; day++) {
      advance(DAY)
      token = `${(await tokens.refresh(token)).refresh_token}`
    }
    advance(DAY)
    await expect(tokens.refresh(token)).rejects.toMatchObject({ code: 'refresh_invalid' })
  })

  it('is for the API that was granted, and for no other', async () => {
    const { tokens, issue } = scene()
    const token = await issue({ audience: OTHER })
    await expect(tokens.refresh(token, { audience: API })).rejects.toThrow(
      '"audience" names an API that was not granted',
    )
    const renewed = await tokens.refresh(token)
    expect(decodeJwt(renewed.access_token).aud).toBe(OTHER)
    expect(decodeJwt((await tokens.refresh(`${renewed.refresh_token}`, { audience: OTHER })).access_token).aud).toBe(
      OTHER,
    )
    const usual = await issue()
    await expect(tokens.refresh(usual, { audience: OTHER })).rejects.toThrow(TypeError)
    expect(decodeJwt((await tokens.refresh(usual, { audience: API })).access_token).aud).toBe(API)
  })
})
