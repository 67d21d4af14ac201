export { isSallyportError, type MachineErrorCode } from './errors.js'
export { createMachineClient, type MachineClient, type MachineClientOptions } from './machine-client.js'
export type { MachineTokenOptions } from './token-cache.js'
