/** What most calls do without: one chunk, fetched by the first call that needs any of it. */
export { proxied } from './proxied.js'
export { replay } from './replay.js'
