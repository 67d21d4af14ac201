import { check, mapOf, text } from '../protocol/shape.js'
import { asyncCall, validate, validated } from '../protocol/validate.js'
import { keyRingError } from './errors.js'

/** The environment of the process is one. */
export const environmentCheck = check<object>(
  'an object of variables, like the environment of the process',
  (value) => typeof value === 'object' && value !== null,
)
export const variablesCheck = mapOf(text)

/** What the functions of a vault take. */
export const vaultCalls = {
  read: asyncCall(['name', text]),
  write: asyncCall(['name', text], ['secret', text]),
  delete: asyncCall(['name', text]),
}

/**
 * Where secrets are kept, by name. Three come with sallyport: {@link environmentVault}, and `fileVault()` of `sallyport/node`, plain
 * or encrypted; a secret manager is three functions more.
 */
export interface Vault {
  /** `undefined`: there is none of this name. Rejects where that cannot be said. */
  read(name: string): Promise<string | undefined>
  /** The whole secret or nothing of it: whoever reads at the same time gets what was there before, or this. */
  write(name: string, secret: string): Promise<void>
  /** Resolves also where there is none. */
  delete(name: string): Promise<void>
  /** Secrets come from elsewhere: a key ring can use them and refuses to rotate. */
  readonly readOnly?: boolean
}

/**
 * Secrets from environment variables: `environmentVault(env, { openai: 'OPENAI_API_KEY' })`, names of secrets → names of
 * variables; `env` is the process’s own, handed in. Only those are read, at every call; an empty variable is none.
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
