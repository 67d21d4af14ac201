import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { agentErrors, endpointErrors } from '../src/agents/errors.js'
import { bffErrors } from '../src/bff/errors.js'
import { stepUpErrors } from '../src/client/calls/step-up.js'
import { clientErrors } from '../src/client/errors.js'
import { signInErrors } from '../src/client/sign-in/errors.js'
import { guardErrors } from '../src/guard/errors.js'
import { keyRingErrors } from '../src/key-ring/errors.js'
import { apiKeyRefusals, keyErrors } from '../src/keys/errors.js'
import { machineErrors } from '../src/machine/errors.js'
import { nodeErrors } from '../src/node/express.js'
import { vaultErrors } from '../src/node/file-vault.js'
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
  it('have words', () => {
    for (const table of Object.values(tables))
      for (const [code, entry] of Object.entries(table)) expect([entry].flat().at(-1), code).toMatch(/\w{2,} \w+/)
  })
})
