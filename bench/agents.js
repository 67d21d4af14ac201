// CPU time of leave for a tool call (scope, tier of the model, standing of the agent, budget) beside jose.jwtVerify of a token,
// with the engines in memory; and what it takes on Redis, in round trips. One process, one run, both take turns; the
// ratios are the result.
//   npm run build && node bench/agents.js
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { createClient } from 'redis'
import { createToolAccess } from 'sallyport/agents'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { redisLedger, redisStore } from 'sallyport/store/redis'
import { startRedis } from './process.js'

const ROUNDS = 9
const TIMES = 4000
const issuer = 'https://issuer.example'
const resource = 'https://api.example.com'

const { privateKey, publicKey } = await generateKeyPair('ES256')
const keySet = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] })
const claims = { sub: 'alice', client_id: 'agent_a', tenant: 'acme', role: 'writer', jti: 'one' }
const scopes = ['data:read', 'data:write', 'model:standard']
const token = await new SignJWT({ ...claims, scope: scopes.join(' ') })
  .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'one' })
  .setIssuer(issuer)
  .setAudience(resource)
  .setIssuedAt()
  .setExpirationTime('15m')
  .sign(privateKey)
const options = { algorithms: ['ES256'], issuer, audience: resource, typ: 'at+jwt' }
const { payload } = await jwtVerify(token, keySet, options)
const principal = { ...claims, method: 'agent_token', scopes, expiresAt: payload.exp, claims: payload }
const call = { tool: 'notes.update', args: { id: 'note 7', text: 'hello' }, model: 'GPT-Mini', estimate: 100 }

/** An agent is one record, read at every call. */
async function access(store, ledger) {
  const id = { kind: 'agent', partition: 'acme', id: 'agent_a' }
  const agent = { role: 'writer', budget: { day: 1e12, month: 1e13 } }
  await store.write([{ type: 'put', id, value: JSON.stringify(agent), ifVersion: 'any' }])
  const standing = async () => ({ ok: true, agent: JSON.parse((await store.get(id)).value) })
  return createToolAccess({
    agents: { standing },
    ledger,
    tools: { 'notes.update': 'data:write' },
    tiers: { 'gpt-mini': 'standard' },
    budgets: { tenant: { month: 1e15 } },
  })
}

const verify = await access(memoryStore(), memoryLedger())
const contestants = {
  'jose.jwtVerify': () => jwtVerify(token, keySet, options),
  'verifyToolAccess and settle': async () => (await verify(principal, call)).settle({ units: 60 }),
  'verifyToolAccess, confirm and settle': async () => {
    const grant = await verify(principal, call)
    await grant.confirm()
    await grant.settle({ units: 60 })
  },
}
const WIDTHS = [1, 16]
for (const width of WIDTHS) {
  const samples = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]))
  for (let round = -1; round < ROUNDS; round++) {
    const order = Object.entries(contestants)
    if (round % 2) order.reverse()
    for (const [name, run] of order) {
      const before = process.cpuUsage()
      for (let at = 0; at < TIMES; at += width) await Promise.all(Array.from({ length: width }, run))
      const { user, system } = process.cpuUsage(before)
      // The first round warms up.
      if (round >= 0) samples[name].push((user + system) / TIMES)
    }
  }
  const median = (name) => samples[name].sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]
  console.log(width === 1 ? 'One after another:' : `${width} at once:`)
  console.table(
    Object.fromEntries(
      Object.keys(contestants).map((name) => [
        name,
        { 'CPU µs': +median(name).toFixed(1), ratio: +(median(name) / median('jose.jwtVerify')).toFixed(2) },
      ]),
    ),
  )
}

const redis = await startRedis()
const client = await createClient({ url: `redis://127.0.0.1:${redis.port}`, commandOptions: { timeout: 0 } }).connect()
const counted = { trips: 0, open: 0 }
// What is sent while something else is on its way takes no time of its own.
async function send(args) {
  if (!counted.open++) counted.trips++
  try {
    return await client.sendCommand(args)
  } finally {
    counted.open--
  }
}
const verifyOnRedis = await access(redisStore({ send }), redisLedger({ send }))
await (await verifyOnRedis(principal, call)).settle({ units: 60 })
const found = { verifyToolAccess: { trips: 0, ms: [] }, 'PING, beside it': { trips: 0, ms: [] } }
for (let at = 0; at < TIMES; at++) {
  for (const [name, run] of Object.entries({
    verifyToolAccess: () => verifyOnRedis(principal, call),
    'PING, beside it': () => send(['PING']),
  })) {
    counted.trips = 0
    const begun = performance.now()
    const grant = await run()
    found[name].ms.push(performance.now() - begun)
    found[name].trips = Math.max(found[name].trips, counted.trips)
    if (grant.settle) await grant.settle({ units: 60 })
  }
}
console.log('On Redis, one after another:')
console.table(
  Object.fromEntries(
    Object.entries(found).map(([name, { trips, ms }]) => [
      name,
      { 'round trips': trips, 'median µs': Math.round(ms.sort((a, b) => a - b)[TIMES / 2] * 1000) },
    ]),
  ),
)
client.destroy()
redis.stop()
