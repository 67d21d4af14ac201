export { isSallyportError, type MachineErrorCode } from './errors.js'
export {
  createMachineClient,
  type MachineClient,
  type MachineClientOptions,
  type MachineTokenOptions,
} from './machine-client.js'
