import { generateKeys } from 'sallyport/testing'
import { expect } from 'vitest'
import { bodyOf, ISSUER, type World } from '../../world.js'
import type { Dialect } from './dialect.js'

/** They have signed nothing. */
const strangers = (await generateKeys()).map(({ publicJwk }) => publicJwk)

/** Makes the provider publish other keys beside its own. */
const publishes =
  (change: (keys: readonly Record<string, unknown>[]) => readonly unknown[]) =>
  async ({ as }: World): Promise<void> => {
    const { keys } = await bodyOf(await as.fetch(`${ISSUER}/jwks`))
    as.fail('jwks', { status: 200, body: JSON.stringify({ keys: change(keys) }) }, { times: 99 })
  }

/** Signs ID Tokens with ES256. */
const signsWithES256 = ({ as }: World): void => {
  as.tamper.idToken = (claims, header) => ({ claims, header: { ...header, alg: 'ES256' } })
}

/** Key sets, and the algorithms of ID Tokens. */
export const keys: readonly Dialect[] = [
  {
    name: 'A provider',
    quirk: 'has null in its key set',
    must: 'uses the good keys',
    speak: publishes((own) => [null, ...own, null]),
  },
  {
    name: 'A provider',
    quirk: 'publishes each key twice',
    must: 'uses one of them',
    speak: publishes((own) => [...own, ...own]),
  },
  {
    name: 'A provider',
    quirk: 'has another key with the same kid',
    must: 'finds the one that has signed',
    speak: publishes((own) => own.flatMap((key, at) => [{ ...strangers[at], kid: key['kid'] }, key])),
  },
  {
    name: 'A provider with post-quantum keys',
    quirk: 'publishes kinds of keys that nobody here knows',
    must: 'uses the others',
    speak: publishes((own) => [{ kty: 'AKP', alg: 'ML-DSA-44', kid: 'pq', pub: 'AAAA' }, { kty: 'EC' }, ...own]),
  },
  {
    name: 'A provider',
    quirk: 'signs with an algorithm that its metadata does not list',
    must: 'goes by idTokenAlgs',
    options: { idTokenAlgs: ['ES256'] },
    speak: (here) => {
      signsWithES256(here)
      here.as.tamper.metadata = (json) => ({ ...json, id_token_signing_alg_values_supported: ['RS256'] })
    },
  },
  {
    name: 'A provider',
    quirk: 'does not list its algorithms',
    must: 'goes by idTokenAlgs',
    speak: (here) => {
      signsWithES256(here)
      here.as.tamper.metadata = ({ id_token_signing_alg_values_supported: _, ...json }) => json
    },
  },
  {
    name: 'A provider',
    quirk: 'signs with an algorithm that the client has not registered',
    must: 'refuses the ID Token',
    options: { idTokenAlgs: ['RS256'] },
    speak: signsWithES256,
    refused: 'id_token_invalid',
    check: async ({ events }) => {
      expect(events).toContainEqual(expect.objectContaining({ type: 'id_token_refused', claim: 'alg' }))
    },
  },
  {
    name: 'A provider',
    quirk: 'uses a new key at once',
    must: 'finds it with the first token, however often that happens',
    speak: ({ as }) => as.rotateKeys(),
    check: async ({ as, again }) => {
      for (let times = 0; times < 3; times++) {
        await as.rotateKeys()
        expect(await again()).toBeUndefined()
      }
    },
  },
]
