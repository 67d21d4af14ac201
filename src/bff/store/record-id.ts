import type { RecordId } from '../../store/contract.js'

/** All records of one session are in one partition: the first characters of its id. */
export const recordOf = (kind: string, id: string): RecordId => ({ kind, partition: id.slice(0, 8), id })
