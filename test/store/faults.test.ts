import { describe, expect, it } from 'vitest'
import { type Fault, faultCode, faultOfPostgres, faultOfRedis } from '../../src/store/faults.js'

const down: Fault = { answered: false, retryable: true }
const busy: Fault = { answered: true, retryable: true }
const never: Fault = { answered: true, retryable: false }

const sqlstate = (code: string) => Object.assign(new Error('of PostgreSQL'), { code })

describe('what PostgreSQL answers', () => {
  it.each<[string, Fault]>([
    ['08000', down],
    ['08003', down],
    ['08006', down],
    ['08P01', never],
    ['0A000', never],
    ['22003', never],
    ['22008', never],
    ['22021', never],
    ['22P02', never],
    ['22P05', never],
    ['23505', never],
    ['25006', busy],
    ['25P02', never],
    ['26000', never],
    ['28000', down],
    ['28P01', down],
    ['34000', never],
    ['3D000', down],
    ['40001', busy],
    ['40P01', busy],
    ['42501', never],
    ['42601', never],
    ['53100', busy],
    ['53200', busy],
    ['53300', down],
    ['54000', never],
    ['55P03', busy],
    ['57014', busy],
    ['57P01', down],
    ['57P02', down],
    ['57P03', down],
    ['58030', down],
    ['XX000', never],
  ])('%s is judged by its class', (code, fault) => {
    expect(faultOfPostgres(sqlstate(code))).toEqual(fault)
  })

  it.each([
    sqlstate('ECONNREFUSED'),
    sqlstate('ECONNRESET'),
    sqlstate('EPIPE'),
    sqlstate('ETIMEDOUT'),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    undefined,
    'text',
  ])('is nothing where the connection broke: %s', (error) => {
    expect(faultOfPostgres(error)).toEqual(down)
  })
})

describe('what Redis answers', () => {
  it.each<[string, Fault]>([
    ['ERR unknown command', never],
    ['ERR value is not an integer or out of range', never],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', never],
    ['NOPERM this user has no permissions', never],
    ['CROSSSLOT Keys in request don’t hash to the same slot', never],
    ['MOVED 3999 127.0.0.1:6381', never],
    ['OOM command not allowed when used memory > maxmemory', busy],
    ['READONLY You can’t write against a read only replica.', busy],
    ['MISCONF Redis is configured to save RDB snapshots', busy],
    ['NOREPLICAS Not enough good replicas to write.', busy],
    ['TRYAGAIN Multiple keys request during rehashing of slot', busy],
    ['LOADING Redis is loading the dataset in memory', down],
    ['MASTERDOWN Link with MASTER is down', down],
    ['CLUSTERDOWN The cluster is down', down],
    ['CLUSTERDOWN', down],
    ['BUSY Redis is busy running a script.', down],
    ['NOAUTH Authentication required.', down],
    ['WRONGPASS invalid username-password pair', down],
    ['ERR max number of clients reached', down],
    ['connect ECONNREFUSED 127.0.0.1:6379', down],
    ['ECONNRESET', down],
    ['Connection is closed.', down],
    ['Command timed out', down],
    ['The client is closed', down],
  ])('%s', (message, fault) => {
    expect(faultOfRedis(new Error(message))).toEqual(fault)
  })
  it('is nothing where there is no error', () => {
    expect(faultOfRedis(undefined)).toEqual(down)
  })
})

describe('the word for a fault', () => {
  it('is a code or the first word of a reply, and never the text', () => {
    expect(faultCode(sqlstate('22021'))).toBe('22021')
    expect(faultCode(new Error('WRONGTYPE Operation against "secret"'))).toBe('WRONGTYPE')
    for (const odd of [undefined, null, 'text', new Error('secret'), { code: 'se cret' }, { code: 7 }])
      expect(faultCode(odd)).toBe('unknown')
  })
})
