import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readable } from '../../../src/provider/failures/provider-text.js'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('text from outside', () => {
  it.each([
    ['the client is disabled', 'the client is disabled'],
    ['AADSTS7000215: Invalid client secret provided.', 'AADSTS7000215: Invalid client secret provided.'],
    ['redirect_uri https://app.example.com/bff/callback is not registered', undefined],
    ['token_endpoint_auth_method is client_secret_post', undefined],
    ['a\r\nb\u0000c\u202ed\u2028e<b>', 'a  b c d e b'],
    ['Code not valid: 3f2504e0-4f89-41d3-9a0c-0305e82c3301.x', 'Code not valid: […].x'],
    [`token ${[{ alg: 'HS256' }, { sub: 'alice' }, 'a long signature'].map(encode).join('.')}`, 'token […].[…].[…]'],
    ['secret mXbqrTUVwxyzABCDefgh', 'secret […]'],
    ['client_secret=hunter2&code=abc', 'client_secret=[…]&code=[…]'],
    ['x'.repeat(40), '[…]'],
    ['ab '.repeat(1000), `${'ab '.repeat(67).slice(0, 199)}…`],
    [`${'x'.repeat(1990)} secret-of-eleven`, '[…]'],
    [7, ''],
    [undefined, ''],
  ])('%j is told as %j', (text, told = text) => {
    expect(readable(text)).toBe(told)
  })

  it('is one line of at most 200 characters, and holds nothing that was sent', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.string({ minLength: 4, maxLength: 40 }).filter((secret) => secret.trim().length >= 4),
        (text, secret) => {
          const told = readable(`${text.slice(0, 99)}${secret}${text}`, [secret])
          expect(told.length).toBeLessThanOrEqual(200)
          expect(told).not.toMatch(/[\p{C}\p{Zl}\p{Zp}<>]/u)
          if (!'[…]'.repeat(9).includes(secret) && !text.includes(secret)) expect(told).not.toContain(secret)
        },
      ),
      { numRuns: 300 },
    )
  })
})
