import { refuseProduction } from './production.js'

refuseProduction()

export {
  type MockAuthorizationServer,
  type MockAuthorizationServerOptions,
  mockAuthorizationServer,
} from './authorization-server.js'
export { type MockBrowser, type MockTab, mockBrowser } from './browser.js'
export type { StoreContractCase, StoreContractOptions } from './contract-checks.js'
export type { CookieJar, StoredCookie } from './cookie-jar.js'
export type { EndpointName, Fault } from './faults.js'
export { type Claims, generateKeys, type Header, type SigningKey, type Tampered } from './keys.js'
export { ledgerContract } from './ledger-contract.js'
export type { BadToken, MintedTokenOptions, Minting } from './minted.js'
export type { MockClient, MockUser, Tamper } from './provider-state.js'
export { recordStoreContract } from './store-contract.js'
