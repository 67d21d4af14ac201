import { execFileSync, fork } from 'node:child_process'
import { hkdfSync } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { CompactEncrypt } from 'jose'
import { fileVault } from 'sallyport/node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keyId } from '../../src/crypto/seal.js'
import { laterSealed } from '../formats/forms.js'
import { randomKey } from '../keys.js'
import { scriptOf } from '../services/script.js'

const KILLS = process.env['FULL'] === '1' ? 100 : 10

let above: string
let directory: string
beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), 'sallyport-vault-'))
  directory = join(above, 'secrets')
})
afterEach(() => rmSync(above, { recursive: true, force: true }))

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8)
const fileOf = (name: string) => join(directory, name)
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error) => error.code,
  )

const kinds = [
  ['plain', undefined],
  ['encrypted', [randomKey()]],
] as const

describe.each(kinds)('a file vault, %s', (kind, keys) => {
  const open = (more = keys) => fileVault({ directory, ...(more && { keys: more }) })

  it('keeps secrets by name, for its own user alone, and makes nothing until the first one is written', async () => {
    const vault = open()
    expect(await vault.read('vendor')).toBeUndefined()
    await vault.delete('vendor')
    expect(existsSync(directory)).toBe(false)
    const names = ['vendor', 'vendor.acme/../../etc/passwd', 'vendor.Zoë 世界', '__proto__']
    const secrets = names.map(() => randomKey())
    for (const [at, name] of names.entries()) await vault.write(name, secrets[at] ?? '')
    for (const [at, name] of names.entries()) expect(await open().read(name)).toBe(secrets[at])
    expect(modeOf(directory)).toBe('700')
    expect(readdirSync(above)).toEqual(['secrets'])
    expect(readdirSync(directory)).toHaveLength(names.length)
    for (const file of readdirSync(directory)) expect(modeOf(fileOf(file))).toBe('600')
    const stored = readFileSync(fileOf('vendor'), 'utf8')
    expect(stored.includes(secrets[0] ?? '-')).toBe(kind === 'plain')
    await vault.write('vendor', 'next')
    expect(await vault.read('vendor')).toBe('next')
    for (const name of names) await vault.delete(name)
    await vault.delete('vendor')
    expect(readdirSync(directory)).toEqual([])
  })

  it('[G-23] leaves running writes alone where the same name is deleted beside them', async () => {
    const [one, other] = [open(), open()]
    await one.write('vendor', 'first')
    for (let turn = 0; turn < 20; turn++) {
      const writes = Array.from({ length: 5 }, (_, at) => one.write('vendor', `secret ${turn} ${at}`))
      await Promise.all([...writes, other.delete('vendor'), other.delete('vendor'), other.delete('vendor')])
    }
    await one.write('vendor', 'last')
    expect(await other.read('vendor')).toBe('last')
    expect(readdirSync(directory)).toHaveLength(1)
  })

  it('takes no name and no secret that it could not give back', async () => {
    const vault = open()
    for (const name of ['', '.', '..', '.vendor+x', 'x'.repeat(251), '\ud800'])
      await expect(vault.read(name), name).rejects.toThrow(TypeError)
    for (const secret of ['', 'x\n', 'x'.repeat(65_537)])
      await expect(vault.write('vendor', secret)).rejects.toThrow(TypeError)
    for (const name of ['x'.repeat(250), `vendor.${'世'.repeat(200)}`]) {
      await vault.write(name, name)
      expect(await vault.read(name)).toBe(name)
      await vault.delete(name)
      expect(await vault.read(name)).toBeUndefined()
    }
    const longest = '世'.repeat(65_536)
    await vault.write('vendor', longest)
    expect(await vault.read('vendor')).toBe(longest)
  })

  it('refuses what others may read, and reads it again once they may not', async () => {
    const vault = open()
    await vault.write('vendor', 'secret')
    for (const mode of [0o640, 0o604, 0o620, 0o601, 0o666]) {
      chmodSync(fileOf('vendor'), mode)
      expect(await codeOf(vault.read('vendor')), mode.toString(8)).toBe('vault_exposed')
    }
    chmodSync(fileOf('vendor'), 0o600)
    for (const mode of [0o750, 0o701, 0o777]) {
      chmodSync(directory, mode)
      const works = [vault.read('vendor'), vault.write('vendor', 'next'), vault.delete('vendor')]
      expect(await Promise.all(works.map(codeOf)), mode.toString(8)).toEqual(Array(3).fill('vault_exposed'))
    }
    chmodSync(directory, 0o700)
    expect(await vault.read('vendor')).toBe('secret')
    // Written anew, it has the right mode again.
    chmodSync(fileOf('vendor'), 0o644)
    await vault.write('vendor', 'next')
    expect(modeOf(fileOf('vendor'))).toBe('600')
  })

  it('refuses what belongs to somebody else', async () => {
    await open().write('vendor', 'secret')
    const [own, other] = [process.geteuid?.() ?? -1, 12_345]
    // Only root can give a file away; for others, they are somebody else themselves.
    const giveAway = (path: string, uid: number) =>
      own === 0 ? chownSync(path, uid, 0) : vi.spyOn(process, 'geteuid').mockReturnValue(uid === own ? own : other)
    for (const path of [fileOf('vendor'), directory]) {
      giveAway(path, other)
      expect(await codeOf(open().read('vendor'))).toBe('vault_exposed')
      giveAway(path, own)
    }
    expect(await open().read('vendor')).toBe('secret')
  })

  it('follows no link, and waits for no pipe', async () => {
    const vault = open()
    await vault.write('elsewhere', 'secret')
    symlinkSync(fileOf('elsewhere'), fileOf('linked'))
    expect(await codeOf(vault.read('linked'))).toBe('vault_exposed')
    mkdirSync(fileOf('folder'), { mode: 0o700 })
    expect(await codeOf(vault.read('folder'))).toBe('vault_exposed')
    execFileSync('mkfifo', ['-m', '600', fileOf('pipe')])
    expect(await codeOf(vault.read('pipe'))).toBe('vault_exposed')
    // Writing replaces the link, and not what it leads to.
    await vault.write('linked', 'next')
    expect([await vault.read('linked'), await vault.read('elsewhere')]).toEqual(['next', 'secret'])
    const around = join(above, 'around')
    symlinkSync(directory, around)
    for (const end of ['/', '//', '/.', '/./'])
      await expect(fileVault({ directory: around + end }).read('linked')).rejects.toMatchObject({
        code: 'vault_exposed',
      })
    const led = fileVault({ directory: around, ...(keys && { keys }) })
    expect(await codeOf(led.read('elsewhere'))).toBe('vault_exposed')
    linkSync(fileOf('elsewhere'), fileOf('same'))
    expect(await codeOf(vault.read('same'))).toBe(kind === 'plain' ? 'done' : 'vault_tampered')
  })

  it('removes with a secret what a crash has left of it, and nothing of another', async () => {
    const vault = open()
    for (const name of ['vendor', 'vendor.acme']) {
      await vault.write(name, 'secret')
      writeFileSync(fileOf(`.${name}+${crypto.randomUUID()}`), 'sec', { mode: 0o600 })
    }
    await vault.delete('vendor')
    expect(readdirSync(directory)).toHaveLength(2)
    expect(await vault.read('vendor.acme')).toBe('secret')
  })

  it('leaves nothing behind when it cannot write', async () => {
    mkdirSync(fileOf('vendor'), { recursive: true, mode: 0o700 })
    chmodSync(directory, 0o700)
    expect(await codeOf(open().write('vendor', 'secret'))).toMatch(/EISDIR|ENOTEMPTY|EEXIST/)
    expect(readdirSync(directory)).toEqual(['vendor'])
  })

  it(`has the old secret or the new one after kill -9, ${KILLS} times, and never half of one`, async () => {
    const program = await scriptOf('test/node/vault-writer.ts')
    const secrets = ['a', 'b'].map((letter) => letter.repeat(60_000))
    const seen = new Set<string | undefined>()
    for (let kill = 0; kill < KILLS; kill++) {
      const env = { ...process.env, ...(keys && { VAULT_KEY: keys[0] }) }
      const child = fork(program, [directory, ...secrets], { env, execArgv: [] })
      await once(child, 'message')
      // The first is killed once it has written: otherwise there is nothing that could be half.
      if (kill === 0) while ((await open().read('vendor')) === undefined) await wait(20)
      await wait(Math.random() * 60)
      child.kill('SIGKILL')
      await once(child, 'exit')
      const secret = await open().read('vendor')
      expect(secret === undefined || secrets.includes(secret)).toBe(true)
      seen.add(secret?.[0])
    }
    expect(seen.size).toBeGreaterThan(0)
    expect(await open().read('vendor')).toBeDefined()
    await open().delete('vendor')
    expect(readdirSync(directory)).toEqual([])
  }, 300_000)
})

const kidIn = (sealed: string) => JSON.parse(`${Buffer.from(sealed.split('.')[0] ?? '', 'base64url')}`).kid

describe('an encrypted file vault', () => {
  const [old, young] = [randomKey(), randomKey()]
  const open = (...keys: string[]) => fileVault({ directory, keys })

  it('opens with any of its keys, and says when it has none of them', async () => {
    await open(old).write('vendor', 'secret')
    expect(await codeOf(open(young).read('vendor'))).toBe('vault_key_wrong')
    expect(await codeOf(fileVault({ directory, keys: [async () => young] }).read('vendor'))).toBe('vault_key_wrong')
    expect(await open(young, old).read('vendor')).toBe('secret')
    await open(young, old).write('vendor', 'secret')
    expect(await open(young).read('vendor')).toBe('secret')
    // What was put there unencrypted is not taken for a secret.
    writeFileSync(fileOf('plain'), 'secret', { mode: 0o600 })
    expect(await codeOf(open(old).read('plain'))).toBe('vault_key_wrong')
  })

  it('finds every changed character, and a file under another name', async () => {
    const vault = open(old)
    await vault.write('vendor', 'secret')
    const text = readFileSync(fileOf('vendor'), 'utf8')
    for (let at = 0; at < text.length; at++) {
      const other = text[at] === 'A' ? 'B' : 'A'
      writeFileSync(fileOf('vendor'), text.slice(0, at) + other + text.slice(at + 1))
      expect(await codeOf(vault.read('vendor')), `${at}`).toMatch(/^vault_(tampered|key_wrong|format_unknown)$/)
    }
    writeFileSync(fileOf('vendor'), text.slice(0, -5))
    expect(await codeOf(vault.read('vendor'))).toBe('vault_tampered')
    writeFileSync(fileOf('vendor'), text)
    expect(await vault.read('vendor')).toBe('secret')
    copyFileSync(fileOf('vendor'), fileOf('vendor.acme'))
    expect(await codeOf(vault.read('vendor.acme'))).toBe('vault_tampered')
  })

  it('reads what 0.1.0 encrypted, and writes it anew in the form of now', async () => {
    const key = new Uint8Array(hkdfSync('sha256', old, '', 'sallyport vault vendor', 32))
    const text = await new CompactEncrypt(new TextEncoder().encode('secret'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: await keyId(old) })
      .encrypt(key)
    mkdirSync(directory, { mode: 0o700 })
    writeFileSync(fileOf('vendor'), text, { mode: 0o600 })
    const vault = open(young, old)
    expect(await vault.read('vendor')).toBe('secret')
    await vault.write('vendor', 'secret')
    expect(kidIn(readFileSync(fileOf('vendor'), 'utf8'))).toBe(
      `1.${await keyId(young)}.${Math.floor(Date.now() / 86_400_000)}`,
    )
  })

  it('does not guess at what a later release encrypted', async () => {
    const vault = open(old)
    await vault.write('vendor', 'secret')
    const later = laterSealed(readFileSync(fileOf('vendor'), 'utf8'))
    writeFileSync(fileOf('vendor'), later)
    expect(await codeOf(vault.read('vendor'))).toBe('vault_format_unknown')
    expect(readFileSync(fileOf('vendor'), 'utf8')).toBe(later)
  })

  it('says at creation what is wrong', async () => {
    expect(() => fileVault({ directory: '' })).toThrow('"directory"')
    expect(() => fileVault({ directory, keys: [] })).toThrow('"keys" must be a list of 1 or more')
    expect(() => fileVault({ directory, keys: ['short'] })).toThrow('"keys" must be 32 characters')
    await expect(fileVault({ directory, keys: [async () => 'short'] }).write('vendor', 'secret')).rejects.toThrow(
      '"keys" must be 32 characters',
    )
  })

  it('is read as it was placed there by hand, without the line break', async () => {
    mkdirSync(directory, { mode: 0o700 })
    writeFileSync(fileOf('vendor'), 'secret\n', { mode: 0o600 })
    expect(await fileVault({ directory }).read('vendor')).toBe('secret')
  })
})
