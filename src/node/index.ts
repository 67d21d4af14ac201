export { toExpress } from './express.js'
export { type Handler, toNodeListener } from './listener.js'
export { type MutualTlsOptions, mutualTls } from './mutual-tls.js'
export { attachUpgrade } from './upgrade.js'
