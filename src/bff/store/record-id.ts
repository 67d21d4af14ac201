import type { RecordId } from '../../store/contract.js'

/** All records of one session lie in one partition, which its id begins with. */
export const recordOf = (kind: string, id: string): RecordId => ({ kind, partition: id.slice(0, 8), id })
