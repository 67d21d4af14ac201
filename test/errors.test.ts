import { readFileSync } from 'node:fs'
import * as page from 'sallyport'
import * as agents from 'sallyport/agents'
import * as bff from 'sallyport/bff'
import * as browserOnly from 'sallyport/browser-only'
import * as keyRing from 'sallyport/key-ring'
import * as keys from 'sallyport/keys'
import * as machine from 'sallyport/machine'
import * as node from 'sallyport/node'
import * as store from 'sallyport/store'
import * as postgres from 'sallyport/store/postgres'
import * as redis from 'sallyport/store/redis'
import * as tokens from 'sallyport/tokens'
import { describe, expect, it } from 'vitest'
import { agentErrors, endpointErrors } from '../src/agents/errors.js'
import { bffErrors } from '../src/bff/errors.js'
import { clientErrors } from '../src/client/errors.js'
import { signInErrors } from '../src/client/sign-in-errors.js'
import { stepUpErrors } from '../src/client/step-up-errors.js'
import { guardErrors } from '../src/guard/errors.js'
import { keyRingErrors } from '../src/key-ring/errors.js'
import { apiKeyRefusals, keyErrors } from '../src/keys/errors.js'
import { machineErrors } from '../src/machine/errors.js'
import { nodeErrors } from '../src/node/express.js'
import { vaultErrors } from '../src/node/file-vault.js'
import { SallyportError } from '../src/protocol/error.js'
import { storeErrors } from '../src/store/contract.js'
import { ledgerErrors } from '../src/store/ledger.js'
import { tokenErrors } from '../src/tokens/errors.js'

const tables = {
  clientErrors,
  signInErrors,
  stepUpErrors,
  bffErrors,
  guardErrors,
  nodeErrors,
  storeErrors,
  ledgerErrors,
  keyErrors,
  apiKeyRefusals,
  machineErrors,
  tokenErrors,
  agentErrors,
  keyRingErrors,
  vaultErrors,
  endpointErrors,
}
/** What each entry says of errors, and the tables of all that it can throw. */
const entries = [
  [page.isSallyportError, clientErrors, signInErrors, stepUpErrors],
  [browserOnly.isSallyportError, clientErrors, signInErrors, stepUpErrors],
  [bff.isSallyportError, bffErrors, storeErrors],
  [keys.isSallyportError, keyErrors, storeErrors],
  [agents.isSallyportError, agentErrors, storeErrors, ledgerErrors],
  [keyRing.isSallyportError, keyRingErrors, storeErrors],
  [machine.isSallyportError, machineErrors],
  [tokens.isSallyportError, tokenErrors, storeErrors],
  [store.isSallyportError, storeErrors, ledgerErrors],
  [redis.isSallyportError, storeErrors, ledgerErrors],
  [postgres.isSallyportError, storeErrors, ledgerErrors],
  [node.isSallyportError, vaultErrors],
] as const

const codes = Object.values(tables).flatMap(Object.keys)

/** The page speaks of some things under the backend's word for them; the guard shares RFC words. Nothing else is said twice. */
const shared = [
  'invalid_scope',
  'invalid_target',
  'issuer_mismatch',
  'state_mismatch',
  'transaction_consumed',
  'authorization_error',
  'id_token_invalid',
  'subject_mismatch',
  'session_too_large',
  'invalid_request',
  'keys_unavailable',
  'request_refused',
  'operator_error',
  'insufficient_user_authentication',
  'request_too_large',
  'invalid_grant',
  'invalid_token',
  'temporarily_unavailable',
  'unsupported_grant_type',
  'credential_not_accepted',
  'insufficient_scope',
  'tenant_mismatch',
]

const anchors = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^### `(\w+)`$/gm)].map(([, code]) => code)

describe('error codes', () => {
  it('are unique, but for the words that two sides share', () => {
    const twice = codes.filter((code, at) => codes.indexOf(code) !== at)
    expect([...new Set(twice)].sort()).toEqual(shared.sort())
  })
  it('have an anchor each, and every anchor is a code', () => {
    expect([...new Set(codes)].sort()).toEqual([...anchors].sort())
  })
  it('are told by the entry that they come from: all of its own, and no others', () => {
    for (const [is, ...own] of entries) {
      const known = own.flatMap(Object.keys)
      for (const code of known) expect(is(new SallyportError(code, 'words')), code).toBe(true)
      for (const error of [new Error('login_required'), { code: known[0] }, undefined, 'text'])
        expect(is(error)).toBe(false)
      // In a page there are no others, and no table either.
      if (own[0] === clientErrors) continue
      const others = codes.filter((code) => !known.includes(code))
      for (const code of [...others, 'constructor']) expect(is(new SallyportError(code, 'words')), code).toBe(false)
    }
  })
  it('have words', () => {
    for (const table of Object.values(tables))
      for (const [code, entry] of Object.entries(table)) expect([entry].flat().at(-1), code).toMatch(/\w{2,} \w+/)
  })
})
