import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify } from 'jose'
import { createAudit, signRequest } from 'sallyport/agents'
import { createBff } from 'sallyport/bff'
import { accessToken, createGuard } from 'sallyport/guard'
import { createMachineClient } from 'sallyport/machine'
import { fileVault } from 'sallyport/node'
import { memoryStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createDpop } from '../../src/provider/client/dpop.js'
import { randomKey } from '../keys.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const ISSUER = 'https://login.example.com'
const API = 'https://api.example.com'

async function privateJwk() {
  const jwk = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)
  return JSON.stringify({ ...jwk, alg: 'ES256' })
}
const jwks = [await privateJwk(), await privateJwk()] as const
const texts = [randomKey(), randomKey()] as const
const xOf = (jwk: string): string => JSON.parse(jwk).x

interface World {
  key: () => Promise<string>
  now: () => number
  onEvent: (event: { type: string }) => void
}
interface Secret {
  values: readonly [string, string]
  /** How it tells that it goes on with the one from before. */
  told?: string
  /** Uses it, and says which of the values that was. */
  open: (world: World) => (() => Promise<string>) & { end?: () => void }
}

const secrets: Record<string, Secret> = {
  'the DPoP key': {
    values: jwks,
    open: ({ key, now }) => {
      const { proof } = createDpop(key, { now })
      return async () => {
        const { jwk } = decodeProtectedHeader(await proof('GET', API, 'opaque'))
        return jwks.find((one) => xOf(one) === jwk?.x) ?? ''
      }
    },
  },
  'the DPoP key of a backend': {
    values: jwks,
    told: 'operator_error',
    open: ({ key, now, onEvent }) => {
      const fetch = async () => new Response(null, { status: 503 })
      const bff = createBff({
        issuer: ISSUER,
        client_id: 'notes',
        client_secret: texts[0],
        baseUrl: 'https://app.example.com',
        cookieKeys: [randomKey()],
        mode: 'proxy',
        dpopKey: key,
        routes: {},
        onEvent: (event) => event.type === 'operator_error' && onEvent(event),
        fetch,
        now,
      })
      const kids = Promise.all(jwks.map((jwk) => thumbprintOf(jwk)))
      return async () => jwks[(await kids).indexOf(`${(await bff.describe()).dpopKeyId}`)] ?? ''
    },
  },
  'the DPoP key of a machine client': {
    values: jwks,
    open: ({ key, now }) => {
      let proof = ''
      const client = createMachineClient({
        issuer: ISSUER,
        client_id: 'job',
        client_secret: texts[0],
        dpopKey: key,
        now,
        async fetch(input, init) {
          const request = new Request(input, init)
          if (request.url.includes('.well-known'))
            return Response.json({ issuer: ISSUER, token_endpoint: `${ISSUER}/token` })
          if (request.url === `${ISSUER}/token`)
            return Response.json({ access_token: crypto.randomUUID(), token_type: 'DPoP', expires_in: 60 })
          proof = `${request.headers.get('dpop')}`
          return new Response('ok')
        },
      })
      return async () => {
        await client.fetch(API)
        const { jwk } = decodeProtectedHeader(proof)
        return jwks.find((one) => xOf(one) === jwk?.x) ?? ''
      }
    },
  },
  'the keys of a token issuer': {
    values: jwks,
    told: 'operator_error',
    open: ({ key, now, onEvent }) => {
      const keys = [{ alg: 'ES256', key }] as const
      const tokens = createTokenIssuer({
        issuer: ISSUER,
        audience: API,
        keys,
        store: memoryStore({ now }),
        onEvent,
        now,
      })
      return async () => {
        const { access_token } = await tokens.issue({ sub: 'alice', client_id: 'app', scopes: [] })
        return signedBy(access_token)
      }
    },
  },
  'the key of an audit trail': {
    values: jwks,
    told: 'operator_error',
    open: ({ key, now, onEvent }) => {
      const audit = createAudit({ store: memoryStore({ now }), sign: key, onEvent, now })
      return async () => {
        await audit.append({ tenant: 'acme', sub: 'alice', action: 'x', decision: 'allowed' })
        return signedBy(`${(await audit.checkpoint({ tenant: 'acme' }))?.jws}`)
      }
    },
  },
  'the key of signRequest()': {
    values: jwks,
    open:
      ({ key, now }) =>
      async () => {
        const signed = await signRequest(new Request(API), { agent: 'agent_a', key, audience: API, now })
        return signedBy(`${[...signed.headers].find(([, value]) => value.startsWith('ey'))?.[1]}`)
      },
  },
  'the secret with which a guard asks about tokens': {
    values: texts,
    open: ({ key, now }) => {
      let sent = ''
      const introspection = { client_id: 'api', client_secret: key, endpoint: `${ISSUER}/introspect`, maxAge: 0 }
      const fetch: typeof globalThis.fetch = async (input, init) => {
        sent = atob(`${new Request(input, init).headers.get('authorization')}`.slice(6))
        return Response.json({ active: false })
      }
      const protect = createGuard({
        resource: API,
        accept: [accessToken({ issuer: ISSUER, introspection, fetch })],
        now,
      })
      return async () => {
        sent = ''
        await protect(new Request(API, { headers: { Authorization: `Bearer ${crypto.randomUUID()}` } }))
        return decodeURIComponent(sent.replace('api:', ''))
      }
    },
  },
  'the key of a vault of files': {
    values: texts,
    open: ({ key }) => {
      const directory = join(mkdtempSync(join(tmpdir(), 'sallyport-secret-')), 'vault')
      const vault = fileVault({ directory, keys: [key] })
      const use = async () => {
        await vault.write('x', 'secret')
        expect(await vault.read('x')).toBe('secret')
        const opened = await Promise.all(
          texts.map((text) =>
            fileVault({ directory, keys: [text] })
              .read('x')
              .catch(() => undefined),
          ),
        )
        return texts[opened.indexOf('secret')] ?? ''
      }
      return Object.assign(use, { end: () => rmSync(join(directory, '..'), { recursive: true, force: true }) })
    },
  },
}

async function thumbprintOf(jwk: string): Promise<string> {
  const { calculateJwkThumbprint } = await import('jose')
  return calculateJwkThumbprint(JSON.parse(jwk) as JWK)
}

/** Which of the keys a JWS is of. */
async function signedBy(jws: string): Promise<string> {
  for (const jwk of jwks) {
    const { d: _, ...open } = JSON.parse(jwk)
    const key = await importJWK(open, 'ES256')
    if (await jwtVerify(jws, key, { currentDate: new Date(1_790_000_000_000) }).catch(() => undefined)) return jwk
  }
  return ''
}

for (const [name, { values, told, open }] of Object.entries(secrets))
  it(`[G-23] ${name} is asked for again; while it cannot be had, the one from before serves`, async () => {
    let time = 1_790_000_000
    const later = async (seconds: number) => {
      time += seconds
      await vi.advanceTimersByTimeAsync(seconds * 1000)
    }
    const state = { give: async () => values[0] as string }
    const events: string[] = []
    const use = open({
      key: () => state.give(),
      now: () => time,
      onEvent: ({ type }) => events.push(type),
    })
    try {
      expect(await use()).toBe(values[0])
      await later(301)
      state.give = () => Promise.reject(new Error('down'))
      expect([await use(), await use()]).toEqual([values[0], values[0]])
      expect(events).toEqual(told ? [told] : [])
      await later(11)
      state.give = async () => values[1]
      expect(await use()).toBe(values[1])
    } finally {
      use.end?.()
    }
  })

it('a token goes with the DPoP key that it was bound to, as long as that is known', async () => {
  let time = 1_790_000_000
  let at = 0
  const { keyPair, proof } = createDpop(async () => jwks[at] as string, { now: () => time })
  await keyPair()
  const bound = `x.${btoa(JSON.stringify({ cnf: { jkt: await thumbprintOf(jwks[0]) } }))}.x`
  at = 1
  time += 301
  const used = async (token: string) => decodeProtectedHeader(await proof('GET', API, token)).jwk?.x
  expect([await used(bound), await used('opaque')]).toEqual(jwks.map(xOf))
})
