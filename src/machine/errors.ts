import { errorMaker, errorTest, type SallyportError } from '../protocol/error.js'

/** Errors when a service requests its own token, code → message. */
export const machineErrors = {
  token_unavailable: 'The provider is temporarily unavailable, and no cached token is still valid.',
  client_refused:
    'The provider refuses this client. See cause, and compare client_id, secret or key with the registration.',
  operator_error:
    'The issuer, its metadata or a secret is wrong, or the response of the provider cannot be used. See cause.',
  request_refused: 'The provider refuses the requested scope or resource. See cause.',
} as const

export type MachineErrorCode = keyof typeof machineErrors

export type MachineError = SallyportError<MachineErrorCode>

export const machineError = errorMaker<MachineErrorCode>(machineErrors, ['token_unavailable'])

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<MachineErrorCode>(machineErrors)
