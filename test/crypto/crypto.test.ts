import { CompactEncrypt, compactDecrypt } from 'jose'
import { describe, expect, it } from 'vitest'
import { equalInConstantTime, randomId, sha256 } from '../../src/crypto/hash.js'
import { nodePrimitives } from '../../src/crypto/node.js'
import { createSealer, keyId } from '../../src/crypto/seal.js'
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
    const sealed = await createSealer([key], 'session', halves[a]).seal(text)
    expect(await createSealer([key], 'session', halves[b]).open(sealed)).toEqual({ plaintext: text, stale: false })
  })
})

describe('sealed texts', () => {
  const key = randomKey()
  const derived = async () => new Uint8Array(await halves.web.hkdf(bytes(key), 'sallyport session'))

  it('are compact JWE: jose opens ours, and what jose makes opens here', async () => {
    const sealer = createSealer([key], 'session')
    const { plaintext, protectedHeader } = await compactDecrypt(await sealer.seal(text), await derived())
    expect(new TextDecoder().decode(plaintext)).toBe(text)
    expect(protectedHeader).toEqual({ alg: 'dir', enc: 'A256GCM', kid: await keyId(key) })
    const theirs = await new CompactEncrypt(bytes(text))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: await keyId(key) })
      .encrypt(await derived())
    expect(await sealer.open(theirs)).toEqual({ plaintext: text, stale: false })
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
