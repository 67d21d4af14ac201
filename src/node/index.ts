export { toExpress } from './express.js'
export { type Handler, toNodeListener } from './listener.js'
