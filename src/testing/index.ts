import { refuseProduction } from './refuse-production.js'

refuseProduction()

export { type MockAuthorizationServer, mockAuthorizationServer } from './authorization-server/authorization-server.js'
export type { EndpointName, Fault } from './authorization-server/faults.js'
export {
  type Claims,
  generateKeys,
  type Header,
  type SigningKey,
  type TamperedToken,
} from './authorization-server/keys.js'
export type { BadToken, MockTokenIssuer, MockTokenOptions } from './authorization-server/mock-token-issuer.js'
export type {
  MockAuthorizationServerOptions,
  MockClient,
  MockUser,
  TamperHooks,
} from './authorization-server/provider-state.js'
export { type MockBrowser, type MockTab, mockBrowser } from './browser/browser.js'
export type { CookieJar, StoredCookie } from './browser/cookie-jar.js'
export type { StoreContractCase, StoreContractOptions } from './contracts/checks.js'
export { ledgerContract } from './contracts/ledger-contract.js'
export { recordStoreContract } from './contracts/store-contract.js'
