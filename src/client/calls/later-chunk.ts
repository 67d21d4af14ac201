/** What most calls do not need: one chunk, loaded by the first call that does. */
export { proxied } from './proxied.js'
export { replay } from './replay.js'
