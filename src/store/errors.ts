import { errorTest } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from './contract.js'
import { type LedgerErrorCode, ledgerErrors } from './ledger.js'

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<StoreErrorCode | LedgerErrorCode>(storeErrors, ledgerErrors)
