import { errorTest } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from './contract.js'
import { type LedgerErrorCode, ledgerErrors } from './ledger.js'

/**
 * Whether an error comes from this entry point. Its `code` is then one of a closed list, and a misspelt one does not
 * compile.
 */
export const isSallyportError = errorTest<StoreErrorCode | LedgerErrorCode>(storeErrors, ledgerErrors)
