import fc from 'fast-check'
import { SallyportError } from 'sallyport'
import { describe, expect, it } from 'vitest'
import { decodeBase64url, encodeBase64url } from '../../src/protocol/base64url.js'
import { formatChallenge, parseChallenges } from '../../src/protocol/http/challenge.js'
import { cookieValues, parseCookies, serializeCookie } from '../../src/protocol/http/cookies.js'
import { mediaType, trimBlanks } from '../../src/protocol/http/header.js'
import { peerOf, withPeer } from '../../src/protocol/http/peer.js'
import { returnTarget } from '../../src/protocol/http/return-to.js'
import {
  calculateCodeChallenge,
  generateCodeVerifier,
  isCodeChallenge,
  isCodeVerifier,
} from '../../src/protocol/pkce.js'
import { missingScopes, parseScope } from '../../src/protocol/scope.js'

describe('PKCE', () => {
  it('has the challenge of RFC 7636 appendix B', async () => {
    expect(await calculateCodeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe(
      'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    )
  })
  it('makes verifiers of 43 characters that differ', () => {
    const made = Array.from({ length: 100 }, generateCodeVerifier)
    expect(new Set(made).size).toBe(100)
    for (const verifier of made) expect(verifier).toHaveLength(43)
    for (const verifier of made) expect(isCodeVerifier(verifier)).toBe(true)
  })
  it('knows verifiers and challenges by their form', () => {
    for (const bad of ['', 'a'.repeat(42), 'a'.repeat(129), `${'a'.repeat(43)}!`, `${'a'.repeat(43)}\n`])
      expect(isCodeVerifier(bad), bad).toBe(false)
    expect(isCodeVerifier('a'.repeat(96))).toBe(true)
    expect(isCodeChallenge('a'.repeat(43))).toBe(true)
    for (const bad of ['a'.repeat(42), 'a'.repeat(44), `${'a'.repeat(42)}=`, `${'a'.repeat(43)}\n`])
      expect(isCodeChallenge(bad), bad).toBe(false)
  })
})

describe('base64url', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect([...(decodeBase64url(encodeBase64url(bytes)) ?? [-1])]).toEqual([...bytes])
      }),
    )
  })
  it('has one spelling', () => {
    for (const bad of ['AA==', 'A', 'AB', '+/', 'A A', 'AA\n', 'ä', 'AAAAA'])
      expect(decodeBase64url(bad), bad).toBeUndefined()
  })
})

describe('scope', () => {
  it('is a set without order', () => {
    expect(parseScope(' b  a b ')).toEqual(['a', 'b'])
    expect(parseScope('')).toEqual([])
    for (const bad of ['a"b', 'a\\b', 'a\tb', 'ä']) expect(parseScope(bad), bad).toBeUndefined()
    expect(missingScopes(['a', 'b', 'c'], ['b'])).toEqual(['a', 'c'])
  })
})

describe('challenges', () => {
  it('come back as they were written, whatever the value', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const header = formatChallenge('Bearer', { error: 'x', error_description: value, realm: undefined })
        const [challenge, ...more] = parseChallenges(header)
        expect(more).toEqual([])
        expect(challenge?.scheme).toBe('Bearer')
        expect(challenge?.parameters['error_description']).toBe(value.replace(/[^\x20-\x7e]/g, '?'))
        expect(() => new Headers({ 'WWW-Authenticate': header })).not.toThrow()
      }),
    )
  })
  it('are read several at a time, and what does not parse ends them', () => {
    expect(parseChallenges('DPoP algs="ES256", Bearer realm="a, b", error=invalid_token')).toMatchObject([
      { scheme: 'DPoP', parameters: { algs: 'ES256' } },
      { scheme: 'Bearer', parameters: { realm: 'a, b', error: 'invalid_token' } },
    ])
    expect(parseChallenges('')).toEqual([])
    // What is no whitespace of HTTP's parts nothing.
    expect(parseChallenges('Bearer\xa0error="x"')).toEqual([])
    expect(parseChallenges('Bearer \t error\t=\t"x" ,\tDPoP')).toMatchObject([
      { scheme: 'Bearer', parameters: { error: 'x' } },
      { scheme: 'DPoP' },
    ])
    expect(parseChallenges('realm="x"')).toEqual([])
    expect(parseChallenges('Bearer "')).toMatchObject([{ scheme: 'Bearer' }])
  })
  it('take no time over hostile headers', () => {
    const begun = performance.now()
    parseChallenges(`Bearer ${'a="'.repeat(20_000)}`)
    parseChallenges('\\"'.repeat(20_000))
    expect(performance.now() - begun).toBeLessThan(2000)
  })
})

describe('return targets', () => {
  const origin = 'https://app.example.com'
  it.each([
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'https:evil.example/',
    'https://evil.example',
    '/..//evil.example',
    '/a/..//evil.example',
    '/\t/evil.example',
    '\t//evil.example',
    'http://app.example.com/',
    'https://user@app.example.com/',
    'https://app.example.com@evil.example/',
    'https://app.example.com.evil.example/',
    'https://evil.example?.app.example.com',
    'javascript:alert(1)',
    'data:text/html,x',
    `/${'a'.repeat(8192)}`,
    '／／evil.example/..//evil.example',
  ])('[C-12][S-20] never lead from %j to another origin', (value) => {
    const target = returnTarget(value, origin)
    expect(new URL(target, origin).origin).toBe(origin)
    expect(target).toMatch(/^\/(?!\/)/)
    expect(new URL(target, 'https://other.example').origin).toBe('https://other.example')
  })
  it('never lead anywhere else, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.stringMatching(/^[/\\.@:a\t%25]{0,12}$/)), (value) => {
        const target = returnTarget(value, origin)
        expect(new URL(target, origin).origin).toBe(origin)
        expect(new URL(target, 'https://x.example').origin).toBe('https://x.example')
      }),
      { numRuns: 2000 },
    )
  })
  it('[C-12 twin][S-20 twin] keep path, query and hash of this origin', () => {
    for (const good of ['/', '/a/b?c=d&e#f', '/%2F%2Fevil.example', '/a//b', '/?x=//y'])
      expect(returnTarget(good, origin)).toBe(good)
    expect(returnTarget('https://app.example.com/a#b', origin)).toBe('/a#b')
    expect(returnTarget(undefined, origin)).toBe('/')
    expect(returnTarget('//x', origin)).toBe('/')
  })
})

describe('cookies', () => {
  it('are read as they were sent, and found by their exact name', () => {
    expect(parseCookies('a=1; b=2=3;c=; =d; e')).toEqual([
      ['a', '1'],
      ['b', '2=3'],
      ['c', ''],
    ])
    expect(cookieValues('a=1; aa=2; a=3', 'a')).toEqual(['1', '3'])
    expect(cookieValues(null, 'a')).toEqual([])
  })
  it('[B-30] are found by their bytes: nothing but spaces and tabs is taken away', () => {
    const byte = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code))
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 2 }), fc.array(byte, { maxLength: 2 }), (before, after) => {
        const pair = `${before.join('')}name${after.join('')}=value`
        // What a server without any opinion would read: RFC 6265 sections 4.2 and 5.2.
        const ours = pair.split(';').filter((piece) => /^[ \t]*name[ \t]*=/.test(piece))
        expect(cookieValues(pair, 'name')).toHaveLength(ours.length)
        expect(parseCookies(pair).filter(([name]) => name === 'name')).toHaveLength(ours.length)
      }),
      { numRuns: 5000 },
    )
  })
  it('are written with every attribute', () => {
    expect(serializeCookie('n', 'v', { sameSite: 'Strict', secure: true, maxAge: 60.9 })).toBe(
      'n=v; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=60',
    )
    expect(serializeCookie('n', '', { sameSite: 'Lax', secure: false, maxAge: -5 })).toBe(
      'n=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0',
    )
  })
})

describe('headers', () => {
  it('lose the whitespace of HTTP around them, and nothing else', () => {
    for (let code = 0; code < 256; code++) {
      const byte = String.fromCharCode(code)
      const blank = code === 32 || code === 9
      expect(trimBlanks(`${byte}a${byte}b${byte}`), `${code}`).toBe(blank ? `a${byte}b` : `${byte}a${byte}b${byte}`)
    }
    expect(trimBlanks(' \t ')).toBe('')
  })
  it('name a type apart from its parameters', () => {
    expect(mediaType(' Text/HTML\t; charset=utf-8')).toBe('text/html')
    expect(mediaType('text/html\xa0')).toBe('text/html\xa0')
    expect([mediaType(null), mediaType(undefined), mediaType('')]).toEqual(['', '', ''])
  })
})

describe('errors', () => {
  it('carry a code, a message, and evidence that does not leave with JSON', () => {
    const error = new SallyportError('login_required', 'words', { cause: { secret: 'x' } })
    expect(error).toBeInstanceOf(Error)
    expect(error.retryable).toBe(false)
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'SallyportError',
      code: 'login_required',
      message: 'words',
      retryable: false,
    })
    expect('cause' in new SallyportError('cancelled', 'y')).toBe(false)
  })
})

describe('peers', () => {
  it('belong to the very request', () => {
    const request = new Request('https://app.example.com/')
    const peer = { address: '127.0.0.1', encrypted: false }
    expect(withPeer(request, peer)).toBe(request)
    expect(peerOf(request)).toBe(peer)
    expect(peerOf(request.clone())).toBeUndefined()
  })
})
