import { hkdfSync } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { describe, expect, it } from 'vitest'
import { equalInConstantTime, randomId, sha256 } from '../../src/crypto/hash.js'
import { nodePrimitives } from '../../src/crypto/node.js'
import { createSealer, keyId, sealedHeader } from '../../src/crypto/seal.js'
import { webPrimitives } from '../../src/crypto/web.js'
import { randomKey } from '../world.js'

const found = nodePrimitives()
if (!found) throw new Error('there is no node:crypto here')
const halves = { node: found, web: webPrimitives }
const bytes = (text: string) => new TextEncoder().encode(text)
const text = `grüße, 世界 ${'x'.repeat(500)}`

describe('the two halves', () => {
  it('compute the same, byte for byte', async () => {
    const { node, web } = halves
    expect(await node.sha256(text)).toBe(await web.sha256(text))
    expect(await node.hkdf(bytes('key'), 'info')).toEqual(await web.hkdf(bytes('key'), 'info'))
    const raw = await node.hkdf(bytes('key'), 'raw')
    const iv = new Uint8Array(12).fill(7)
    const [nodeKey, webKey] = [await node.importKey(raw), await web.importKey(raw)]
    const sealed = await node.encrypt(nodeKey, iv, bytes(text), bytes('aad'))
    expect(sealed).toEqual(await web.encrypt(webKey, iv, bytes(text), bytes('aad')))
    expect(await web.decrypt(webKey, iv, sealed, bytes('aad'))).toEqual(bytes(text))
    expect(await node.decrypt(nodeKey, iv, sealed, bytes('aad'))).toEqual(bytes(text))
    for (const half of [node, web]) {
      const key = half === node ? nodeKey : webKey
      expect(await half.decrypt(key, iv, sealed, bytes('other'))).toBeUndefined()
      expect(await half.decrypt(key, iv, sealed.slice(0, 10), bytes('aad'))).toBeUndefined()
    }
  })

  it('spell base64url the same, and refuse the same', () => {
    for (const half of Object.values(halves)) {
      for (let length = 0; length < 40; length++) {
        const some = crypto.getRandomValues(new Uint8Array(length + 3)).subarray(3)
        expect(half.encode(some)).toBe(webPrimitives.encode(some))
        expect([...(half.decode(half.encode(some)) ?? [-1])]).toEqual([...some])
      }
      for (const bad of ['AA==', 'A', 'AB', '+/', 'A A', 'AA\n', 'ä', 'AAAAA', '.', 'AA.AA'])
        expect(half.decode(bad), bad).toBeUndefined()
    }
  })

  it.each([
    ['node', 'web'],
    ['web', 'node'],
  ] as const)('open what the other has sealed: %s → %s', async (a, b) => {
    const key = randomKey()
    const sealed = await createSealer([key], 'session', { primitives: halves[a] }).seal(text)
    expect(await createSealer([key], 'session', { primitives: halves[b] }).open(sealed)).toEqual({
      plaintext: text,
      stale: false,
    })
  })
})

describe('sealed texts', () => {
  const key = randomKey()
  const DAY = 20_000
  const now = () => DAY * 86_400 + 10
  /** As the documentation of `createSealer` says it, by another library. */
  const derived = (app: string, purpose: string, day: number) =>
    new Uint8Array(hkdfSync('sha256', key, '', JSON.stringify(['sallyport', 1, app, purpose, day]), 32))
  const header = (kid: string) => ({ alg: 'dir', enc: 'A256GCM', kid })
  const byJose = async (kid: string, raw: Uint8Array, more: object = {}) =>
    new CompactEncrypt(bytes(text)).setProtectedHeader({ ...header(kid), ...more }).encrypt(raw)

  it('are compact JWE: jose opens ours, and what jose makes opens here', async () => {
    const sealer = createSealer([key], 'session', { app: 'shop https://a.example', now })
    const raw = derived('shop https://a.example', 'session', DAY)
    const { plaintext, protectedHeader } = await compactDecrypt(await sealer.seal(text), raw)
    expect(new TextDecoder().decode(plaintext)).toBe(text)
    const kid = `1.${await keyId(key)}.${DAY}`
    expect(protectedHeader).toEqual(header(kid))
    expect(await sealer.open(await byJose(kid, raw))).toEqual({ plaintext: text, stale: false })
    expect(await sealer.open(await byJose(kid, raw, { zip: 'DEF' }).catch(() => ''))).toBeUndefined()
    expect(await sealer.open(await byJose(kid, raw, { cty: 'x' }))).toBeUndefined()
  })

  it('have another key every day, and for every app and purpose', async () => {
    const sealer = createSealer([key], 'session', { app: 'a', now })
    const later = createSealer([key], 'session', { app: 'a', now: () => now() + 86_400 })
    const [today, tomorrow] = [await sealer.seal('x'), await later.seal('x')]
    await compactDecrypt(tomorrow, derived('a', 'session', DAY + 1))
    for (const sealed of [today, tomorrow]) {
      expect(await later.open(sealed)).toEqual({ plaintext: 'x', stale: false })
      // Clocks of two processes differ by less than a day.
      expect(await sealer.open(sealed)).toEqual({ plaintext: 'x', stale: false })
      expect(await createSealer([key], 'session', { app: 'b', now }).open(sealed)).toBeUndefined()
      expect(await createSealer([key], 'idle', { app: 'a', now }).open(sealed)).toBeUndefined()
    }
  })

  it('of absurd days cost nothing: no key is derived for them, and few are held', async () => {
    let derivations = 0
    const hkdf: typeof found.hkdf = (secret, info) => {
      if (info.startsWith('[')) derivations++
      return found.hkdf(secret, info)
    }
    const sealer = createSealer([key], 'session', { now, age: 7 * 86_400, primitives: { ...found, hkdf } })
    const id = await keyId(key)
    const raw = derived('', 'session', DAY)
    for (const day of [
      DAY + 2,
      DAY + 1000,
      DAY - 8,
      0,
      '-1',
      '020000',
      `${DAY}.0`,
      '2e4',
      '999999',
      '9'.repeat(300),
      '',
    ])
      expect(await sealer.open(await byJose(`1.${id}.${day}`, raw)), `${day}`).toBeUndefined()
    expect(await sealer.open(await byJose(`1.AAAAAAAA.${DAY}`, raw))).toBeUndefined()
    expect(derivations).toBe(0)
    for (const day of [DAY + 1, DAY, DAY - 7])
      expect(await sealer.open(await byJose(`1.${id}.${day}`, derived('', 'session', day))), `${day}`).toBeDefined()
    expect(derivations).toBe(3)
    await sealer.open(await byJose(`1.${id}.${DAY}`, raw))
    expect(derivations).toBe(3)
  })

  it('of 0.1.0 open only where that was asked for', async () => {
    const old = new Uint8Array(hkdfSync('sha256', key, '', 'sallyport vault x', 32))
    const sealed = await byJose(await keyId(key), old)
    expect(await createSealer([key], 'vault x', { now }).open(sealed)).toBeUndefined()
    const both = createSealer([randomKey(), key], 'vault x', { now, unversioned: true })
    expect(await both.open(sealed)).toEqual({ plaintext: text, stale: true })
    expect(await both.open(await byJose('AAAAAAAA', old))).toBeUndefined()
  })

  it('say of which format they are, and what is of a later one does not open', async () => {
    const sealer = createSealer([key], 'session', { now })
    const id = await keyId(key)
    const raw = derived('', 'session', DAY)
    const claims = [
      [`1.${id}.${DAY}`, 'known', id],
      [`2.${id}.${DAY}`, 'later', id],
      ['2', 'none', ''],
      [`17.${id}`, 'later', id],
      [id, 'unversioned', id],
      ['12345678', 'unversioned', '12345678'],
      ['x', 'none', ''],
      [`-1.${id}`, 'none', ''],
    ] as const
    for (const [kid, format, key] of claims) {
      const sealed = await byJose(kid, raw)
      expect(sealedHeader(sealed), kid).toEqual({ format, key })
      expect((await sealer.open(sealed)) !== undefined, kid).toBe(format === 'known')
    }
    for (const junk of ['', '.', 'a.b', '!!!!', 'x'.repeat(20_000)])
      expect(sealedHeader(junk).format, junk).toBe('none')
  })

  it('do not open for another purpose, with another key, or with anything changed', async () => {
    const sealer = createSealer([key], 'session')
    const sealed = await sealer.seal('x')
    expect(await createSealer([key], 'idle').open(sealed)).toBeUndefined()
    expect(await createSealer([randomKey()], 'session').open(sealed)).toBeUndefined()
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
      expect(await sealer.open(changed), `${at}`).toBeUndefined()
    }
    for (const junk of [
      '',
      '....',
      'a.b.c.d.e',
      `${sealed}.`,
      `${sealed}=`,
      sealed.replace('..', '.x.'),
      sealed.slice(0, -1),
      'x'.repeat(20_000),
    ])
      expect(await sealer.open(junk), junk.slice(0, 20)).toBeUndefined()
  })

  it('open with an older key too, which is said', async () => {
    const [older, newer] = [randomKey(), randomKey()]
    const sealed = await createSealer([older], 'session').seal('x')
    expect(await createSealer([newer, older], 'session').open(sealed)).toEqual({ plaintext: 'x', stale: true })
    expect(await createSealer([newer], 'session').open(sealed)).toBeUndefined()
  })

  it('are never the same twice', async () => {
    const sealer = createSealer([key], 'session')
    expect(await sealer.seal('x')).not.toBe(await sealer.seal('x'))
  })
})

describe('hashes', () => {
  it('are SHA-256 in base64url', async () => {
    expect(await sha256('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  })
  it('are compared whole', () => {
    expect(equalInConstantTime('abc', 'abc')).toBe(true)
    for (const other of ['abd', 'ab', 'abcd', '', 'xbc']) expect(equalInConstantTime('abc', other), other).toBe(false)
    expect(equalInConstantTime('', '')).toBe(true)
  })
  it('have random company of 256 bits', () => {
    expect(randomId()).toHaveLength(43)
    expect(randomId()).not.toBe(randomId())
  })
})
