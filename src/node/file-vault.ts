import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { sha256 } from '../crypto/hash.js'
import { createSealer, keyId, sealedHeader } from '../crypto/seal.js'
import { type Vault, vaultCalls } from '../key-ring/vault.js'
import { errorMaker, errorTest } from '../protocol/error.js'
import { misuseOf } from '../protocol/option-checks.js'
import { createSecretCache, freshSecrets, isDynamic, resolveSecret, type Secret } from '../protocol/secret.js'
import { list, object, optional, secret, text } from '../protocol/shape.js'
import { validate, validated } from '../protocol/validate.js'

export interface FileVaultOptions {
  /** A folder only for secrets. The first write creates it, with mode 0700. */
  directory: string
  /** With keys, files are encrypted. Texts of 32 characters or more. The first key encrypts, all keys decrypt. */
  keys?: readonly Secret[]
}

export const fileVaultOptions = object<FileVaultOptions>({ directory: text, keys: optional(list(secret, 1)) })

/** Errors of a file vault, code → message. */
export const vaultErrors = {
  vault_exposed:
    'A secret or its folder has another owner, or others can read it. It must be a plain file of mode 0600 in a folder of mode 0700, both owned by the user of this process.',
  vault_key_wrong: 'A secret is not encrypted with a key of this file vault, or not encrypted at all.',
  vault_tampered: 'A secret was changed, or its file belongs to another name.',
  vault_format_unknown:
    'A secret was encrypted by a later release, in a format that this release does not know. The file is not changed.',
} as const

export type VaultErrorCode = keyof typeof vaultErrors

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<VaultErrorCode>(vaultErrors)

const misuse = misuseOf('fileVault')

/** Characters of a secret, and of its name (key ring and tenant together), at most. */
const MAX_SECRET_LENGTH = 65_536
const MAX_NAME_LENGTH = 250
/** Characters of a file name, at most. */
const MAX_FILE_NAME_LENGTH = 200
/** Attempts of a write while concurrent deletes remove its draft. */
const MAX_ATTEMPTS = 20
/** Characters of an encrypted secret, at most: base64url of UTF-8, and a header. */
const MAX_SEALED_LENGTH = 4 * MAX_SECRET_LENGTH + 1000

/**
 * Stores each secret in a file of its name. Every call checks owner and mode of file and folder. Links are refused. Writes are
 * atomic: after a crash, the file has the old secret or the new one.
 *
 * With `keys`, files are encrypted with AES-256-GCM, with a key derived for each name: a changed or swapped file is refused.
 *
 * A line break at the end of a file is not part of the secret. On Windows, which has no file modes, this throws a TypeError.
 *
 * Not checked: parent folders, access control lists, and backups that copy the files. With `keys`, an older version of a file is
 * not detected.
 *
 * Calls reject with SallyportError `vault_exposed`, `vault_key_wrong`, `vault_tampered`, `vault_format_unknown`, and with what node:fs throws.
 *
 * @throws TypeError naming the option
 */
export function fileVault(options: FileVaultOptions): Vault {
  validate('fileVault', fileVaultOptions, options)
  const { keys } = options
  // Removes a slash at the end: with it, a link would be followed before it can be checked.
  const directory = resolve(options.directory)
  const { geteuid } = process
  if (!geteuid) throw new TypeError('fileVault: this system has no file modes to protect secrets; use another vault')
  const isWeak = (key: string) => typeof key !== 'string' || key.length < 32
  const weak = 'must be 32 characters or more; make one: node -p "crypto.randomBytes(32).toString(\'base64url\')"'
  for (const key of keys ?? []) if (typeof key !== 'function' && isWeak(key)) misuse('keys', weak)

  const read = async () => {
    const values = await Promise.all((keys ?? []).map(resolveSecret))
    return values.some(isWeak) ? misuse('keys', weak) : values
  }
  const current = createSecretCache(read, { ...freshSecrets, dynamic: isDynamic(keys ?? []) })

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
      // A pipe must not block the call, and a link must not be followed.
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
          // A concurrent delete has removed this draft as a leftover of a crash. Write again after it.
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

const vaultError = errorMaker<VaultErrorCode>(vaultErrors)

/** The file name of a secret. It never leaves the folder and never looks like a draft. */
async function fileOf(name: string): Promise<string> {
  const file = typeof name === 'string' && !/\p{Surrogate}/u.test(name) ? encodeURIComponent(name) : ''
  if (!file || file.startsWith('.') || name.length > MAX_NAME_LENGTH)
    throw new TypeError(`vault: a name is a text of up to ${MAX_NAME_LENGTH} characters that does not begin with a dot`)
  return file.length > MAX_FILE_NAME_LENGTH ? `+${await sha256(name)}` : file
}

/** The prefix of the drafts of a file. An encoded name contains no plus sign. */
const draftsOf = (file: string): string => `.${file}+`

/** `undefined` if the file does not exist. */
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
