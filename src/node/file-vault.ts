import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { sha256 } from '../crypto/hash.js'
import { createSealer, keyId, sealedHeader } from '../crypto/seal.js'
import { type Vault, vaultCalls } from '../key-ring/vault.js'
import { errorTest, SallyportError } from '../protocol/error.js'
import { createFreshSecretCache, isDynamic, resolveSecret, type Secret } from '../protocol/secret.js'
import { list, object, optional, secret, text } from '../protocol/shape.js'
import { validate, validated } from '../protocol/validate.js'

export interface FileVaultOptions {
  /** A folder for secrets alone. It is made, with mode 0700, when the first one is written. */
  directory: string
  /** With keys, files are encrypted. Texts of 32 characters or more: the first one seals, all of them open. */
  keys?: readonly Secret[]
}

export const fileVaultOptions = object<FileVaultOptions>({ directory: text, keys: optional(list(secret, 1)) })

/** What is wrong with a file of a vault, code → message. */
export const vaultErrors = {
  vault_exposed:
    'A secret, or its folder, may be somebody else’s or read by others: it must be a plain file of mode 0600 in a folder of mode 0700, both owned by the user of this process.',
  vault_key_wrong: 'A secret was encrypted with another key than the file vault has, or is not encrypted.',
  vault_tampered: 'A secret was changed, or is that of another name.',
  vault_format_unknown:
    'A secret was encrypted by a later release, in a form that this one does not know. It is left as it is.',
} as const

export type VaultErrorCode = keyof typeof vaultErrors

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<VaultErrorCode>(vaultErrors)

/** Characters of a secret, and of its name, at most: a ring's and a tenant's together. */
const MAX_SECRET_LENGTH = 65_536
const MAX_NAME_LENGTH = 250
/** Characters of the name of a file. */
const MAX_FILE_NAME_LENGTH = 200
/** Drafts that others may remove under our hands before a write gives up. */
const MAX_ATTEMPTS = 20
/** Characters of a secret that is sealed: base64url of UTF-8, and then some. */
const MAX_SEALED_LENGTH = 4 * MAX_SECRET_LENGTH + 1000

/**
 * Secrets as files, one each, named after them. Who owns file and folder, and who may read them, is looked at in every call; links are
 * refused. A file is replaced as a whole: a crash leaves the old secret or the new one.
 *
 * With `keys`, AES-256-GCM under a key that is derived for each name: a file changed, or put in another's place, is refused.
 *
 * A line break at the end of a file is not part of the secret. On Windows, where files have no such modes, this is a TypeError.
 *
 * Not checked: the folders above, access lists, and backups, which copy what they can read. With `keys`, that somebody puts an older
 * file back.
 *
 * Calls reject with SallyportError `vault_exposed`, `vault_key_wrong`, `vault_tampered`, `vault_format_unknown`, and with what node:fs throws.
 *
 * @throws TypeError naming the option
 */
export function fileVault(options: FileVaultOptions): Vault {
  validate('fileVault', fileVaultOptions, options)
  const { keys } = options
  // With a slash at its end a link would be followed before it could be looked at.
  const directory = resolve(options.directory)
  const misuse = (option: string, remedy: string): never => {
    throw new TypeError(`fileVault: "${option}" ${remedy}`)
  }
  const { geteuid } = process
  if (!geteuid) throw new TypeError('fileVault: this system has no file modes to keep secrets by; use another vault')
  const isWeak = (key: string) => typeof key !== 'string' || key.length < 32
  const weak = 'must be 32 characters or more; make one: node -p "crypto.randomBytes(32).toString(\'base64url\')"'
  for (const key of keys ?? []) if (typeof key !== 'function' && isWeak(key)) misuse('keys', weak)

  const read = async () => {
    const values = await Promise.all((keys ?? []).map(resolveSecret))
    return values.some(isWeak) ? misuse('keys', weak) : values
  }
  const current = createFreshSecretCache(read, { dynamic: isDynamic(keys ?? []) })

  async function sealerFor(name: string) {
    const values = await current()
    return { values, sealer: createSealer(values, `vault ${name}`, { limit: MAX_SEALED_LENGTH, unversioned: true }) }
  }

  const isOwn = ({ uid, mode }: { uid: number; mode: number }) => uid === geteuid() && (mode & 0o077) === 0
  /** `false`: there is no folder. */
  async function checkFolder(): Promise<boolean> {
    const found = await absent(lstat(directory))
    if (found && !(found.isDirectory() && isOwn(found))) throw vaultError('vault_exposed')
    return found !== undefined
  }

  async function opened(name: string, text: string): Promise<string> {
    if (!keys) return text
    const { values, sealer } = await sealerFor(name)
    const secret = await sealer.open(text)
    if (secret) return secret.plaintext
    const { key, format } = sealedHeader(text)
    if (format === 'later') throw vaultError('vault_format_unknown')
    const ids = await Promise.all(values.map((value) => keyId(value)))
    throw vaultError(ids.includes(key) ? 'vault_tampered' : 'vault_key_wrong')
  }

  const methods: Vault = {
    async read(name) {
      const file = await fileOf(name)
      if (!(await checkFolder())) return undefined
      // Not blocked by a pipe that somebody has put there; not led elsewhere by a link.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
      const handle = await absent(open(join(directory, file), flags)).catch((error) => {
        throw error.code === 'ELOOP' ? vaultError('vault_exposed') : error
      })
      if (!handle) return undefined
      try {
        const found = await handle.stat()
        if (!(found.isFile() && isOwn(found))) throw vaultError('vault_exposed')
        return await opened(name, (await handle.readFile('utf8')).replace(/\r?\n$/, ''))
      } finally {
        await handle.close()
      }
    },

    async write(name, secret) {
      const file = await fileOf(name)
      if (typeof secret !== 'string' || !secret || secret.length > MAX_SECRET_LENGTH || secret.endsWith('\n'))
        throw new TypeError(
          `vault.write: a secret is a text of 1 to ${MAX_SECRET_LENGTH} characters with no line break at the end`,
        )
      const text = keys ? await (await sealerFor(name)).sealer.seal(secret) : secret
      if (!(await checkFolder())) {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        await checkFolder()
      }
      for (let turn = 1; ; turn++) {
        const draft = join(directory, `${draftsOf(file)}${crypto.randomUUID()}`)
        try {
          await withFile(draft, 'wx', async (handle) => {
            await handle.writeFile(text)
            await handle.sync()
          })
          await rename(draft, join(directory, file))
          break
        } catch (error) {
          await absent(unlink(draft))
          // Somebody deletes the name at the same time, and has taken our draft for what a crash has left: we are later.
          if ((error as { code?: unknown }).code !== 'ENOENT' || turn === MAX_ATTEMPTS) throw error
        }
      }
      await withFile(directory, 'r', (handle) => handle.sync())
    },

    async delete(name) {
      const file = await fileOf(name)
      if (!(await checkFolder())) return
      const drafts = (await readdir(directory)).filter((one) => one.startsWith(draftsOf(file)))
      for (const one of [file, ...drafts]) await absent(unlink(join(directory, one)))
      await withFile(directory, 'r', (handle) => handle.sync())
    },
  }
  return validated('vault', methods, vaultCalls)
}

const vaultError = (code: VaultErrorCode) => new SallyportError(code, vaultErrors[code])

/** No name leads out of the folder, and none looks like a draft. */
async function fileOf(name: string): Promise<string> {
  const file = typeof name === 'string' && !/\p{Surrogate}/u.test(name) ? encodeURIComponent(name) : ''
  if (!file || file.startsWith('.') || name.length > MAX_NAME_LENGTH)
    throw new TypeError(`vault: a name is a text of up to ${MAX_NAME_LENGTH} characters that does not begin with a dot`)
  return file.length > MAX_FILE_NAME_LENGTH ? `+${await sha256(name)}` : file
}

/** A plus sign is in no encoded name. */
const draftsOf = (file: string): string => `.${file}+`

/** `undefined` for what is not there. */
const absent = <Found>(looking: Promise<Found>): Promise<Found | undefined> =>
  looking.catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })

async function withFile(path: string, flags: string, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o600)
  try {
    await work(handle)
  } finally {
    await handle.close()
  }
}
