export { toExpress } from './express.js'
export { type FileVaultOptions, fileVault, isSallyportError, type VaultErrorCode } from './file-vault.js'
export {
  type ExpressGuard,
  type ExpressMiddleware,
  type FastifyGuard,
  type FastifyHook,
  principalOf,
  toExpressGuard,
  toFastifyGuard,
} from './guards.js'
export { type Handler, toNodeListener } from './listener.js'
export { type MutualTlsOptions, mutualTls } from './mutual-tls.js'
export { attachUpgrade } from './upgrade.js'
