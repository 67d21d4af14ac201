import { check, mapOf, text } from '../protocol/shape.js'
import { asyncCall, validate, validated } from '../protocol/validate.js'
import { keyRingError } from './errors.js'

/** The environment of the process is one. */
export const environmentCheck = check<object>(
  'an object of variables, like the environment of the process',
  (value) => typeof value === 'object' && value !== null,
)
export const variablesCheck = mapOf(text)

export const vaultCalls = {
  read: asyncCall(['name', text]),
  write: asyncCall(['name', text], ['secret', text]),
  delete: asyncCall(['name', text]),
}

/**
 * Keeps secrets by name. There are {@link environmentVault}, and `fileVault()` of `sallyport/node`, plain or encrypted. For a secret
 * manager write these three functions.
 */
export interface Vault {
  /** `undefined`: there is no secret of this name. Rejects if that is not known. */
  read(name: string): Promise<string | undefined>
  /** Must be atomic: a read at the same time gets the old secret or the new one. */
  write(name: string, secret: string): Promise<void>
  /** Resolves also if there is none. */
  delete(name: string): Promise<void>
  /** A key ring can use the secrets, but not rotate them. */
  readonly readOnly?: boolean
}

/**
 * Secrets from environment variables: `environmentVault(env, { openai: 'OPENAI_API_KEY' })`, names of secrets → names of
 * variables; pass the `env` of the process. Only those variables are read, at every call; an empty variable counts as missing.
 *
 * Writing and deleting reject with `vault_read_only`.
 */
export function environmentVault(
  environment: Readonly<Record<string, string | undefined>>,
  variables: Readonly<Record<string, string>>,
): Vault {
  validate('environmentVault', environmentCheck, environment, 'environment')
  validate('environmentVault', variablesCheck, variables, 'variables')
  const refuse = async (): Promise<never> => {
    throw keyRingError('vault_read_only')
  }
  const methods: Vault = {
    readOnly: true,
    async read(name) {
      const variable = Object.hasOwn(variables, name) ? variables[name] : undefined
      return variable === undefined ? undefined : environment[variable] || undefined
    },
    write: refuse,
    delete: refuse,
  }
  return validated('vault', methods, vaultCalls)
}
