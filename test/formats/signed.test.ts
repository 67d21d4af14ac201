import { createHash } from 'node:crypto'
import { CompactSign, decodeJwt, decodeProtectedHeader, importJWK } from 'jose'
import { createAudit, verifyAudit, verifyCheckpoint } from 'sallyport/agents'
import { memoryStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { agentKey, scene } from '../agents/identity.js'
import { NOW } from './forms.js'

const now = () => NOW
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')
const genesis = 'A'.repeat(43)

/** A row as its documentation says that it is hashed: `prev`, and the canonical JSON of everything else. */
function row(seq: number, prev: string, more: object = {}) {
  const content = { action: 'tool:x', at: NOW, decision: 'allowed', seq, tenant: 'acme', ...more }
  return { ...content, prev, hash: sha256(prev + JSON.stringify(content)) }
}

describe('an audit trail', () => {
  it('is verified over rows of 0.1.0, which said no format, and those of now', async () => {
    const first = row(1, genesis)
    const second = row(2, first.hash, { v: 1 })
    expect(await verifyAudit([first, second])).toMatchObject({ ok: true, head: { seq: 2, hash: second.hash } })
    // A format cannot be put in or taken out.
    expect(await verifyAudit([{ ...first, v: 1 }])).toEqual({ ok: false, fault: 'edited', seq: 1 })
    const { v: _, ...bare } = second as typeof second & { v: number }
    expect(await verifyAudit([first, bare])).toEqual({ ok: false, fault: 'edited', seq: 2 })
  })

  it('is not judged where a later release wrote it', async () => {
    const first = row(1, genesis)
    expect(await verifyAudit([first, row(2, first.hash, { v: 2 })])).toEqual({ ok: false, fault: 'later', seq: 2 })
  })
})

describe('a checkpoint', async () => {
  const { key } = await agentKey()
  const audit = createAudit({ store: memoryStore({ now }), sign: key, now })
  await audit.append({ tenant: 'acme', action: 'tool:x', decision: 'allowed' })
  const { jws = '' } = (await audit.checkpoint({ tenant: 'acme' })) ?? {}
  const keys = await audit.publicKeys()

  const signed = async (change: (payload: Record<string, unknown>) => object) => {
    const { alg } = decodeProtectedHeader(jws)
    const payload = new TextEncoder().encode(JSON.stringify(change(decodeJwt(jws))))
    const header = { ...decodeProtectedHeader(jws), alg: `${alg}` }
    return new CompactSign(payload).setProtectedHeader(header).sign(await importJWK(JSON.parse(key), alg))
  }

  it('says its format, and one of 0.1.0, without, is as good', async () => {
    expect(decodeProtectedHeader(jws)).toMatchObject({ typ: 'audit-checkpoint+jwt', alg: 'ES256' })
    expect(decodeJwt(jws)).toEqual({ tenant: 'acme', seq: 1, hash: expect.any(String), v: 1, iat: NOW })
    const head = await verifyCheckpoint(jws, keys)
    expect(head).toEqual({ tenant: 'acme', seq: 1, hash: expect.any(String) })
    expect(await verifyCheckpoint(await signed(({ v: _, ...rest }) => rest), keys)).toEqual(head)
  })

  it('of a later release vouches for nothing here', async () => {
    for (const v of [2, '1', null])
      await expect(verifyCheckpoint(await signed((payload) => ({ ...payload, v })), keys)).rejects.toMatchObject({
        code: 'checkpoint_invalid',
      })
  })
})

describe('an agent’s token', () => {
  async function tokenOf(change: (details: Record<string, unknown>) => Record<string, unknown>) {
    const it = scene({ now })
    const { id } = await it.register({ id: 'agent_a' })
    const { access_token } = await it.agents.issue(id, { tenant: 'acme', scopes: ['data:read'] })
    const { authorization_details: [details] = [], ...claims } = decodeJwt<{
      authorization_details: Record<string, unknown>[]
      tenant: string
    }>(access_token)
    const issued = await it.tokens.issue({
      sub: id,
      client_id: id,
      scopes: ['data:read'],
      claims: { tenant: claims.tenant, role: 'writer', authorization_details: [change(details ?? {})] },
    })
    const outcome = await it.ask(issued.access_token)
    return { details, typ: decodeProtectedHeader(access_token).typ, status: outcome.ok ? 200 : outcome.response.status }
  }

  it('is an RFC 9068 token, whose details say their format; 0.1.0’s, without, are as good', async () => {
    const { details, typ, status } = await tokenOf((same) => same)
    expect(typ).toBe('at+jwt')
    expect(details).toMatchObject({ type: 'sallyport_agent', v: 1 })
    expect(status).toBe(200)
    expect((await tokenOf(({ v: _, ...rest }) => rest)).status).toBe(200)
  })

  it('of a later release is refused', async () => {
    for (const v of [2, '1']) expect((await tokenOf((details) => ({ ...details, v }))).status).toBe(401)
  })
})
