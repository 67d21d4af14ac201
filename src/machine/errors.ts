import { errorTest, SallyportError, type SallyportErrorOptions } from '../protocol/error.js'

/** What can go wrong when a service asks for a token of its own, code → message. */
export const machineErrors = {
  token_unavailable: 'No token can be had from the provider now, and there is none that is still good.',
  client_refused:
    'The provider refuses this client: see cause, and compare client_id, secret or key with what is registered.',
  request_refused: 'The provider refuses what was asked for: see cause.',
} as const

export type MachineErrorCode = keyof typeof machineErrors

export type MachineError = SallyportError<MachineErrorCode>

export const machineError = (code: MachineErrorCode, options: SallyportErrorOptions): MachineError =>
  new SallyportError(code, machineErrors[code], options)

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<MachineErrorCode>(machineErrors)
