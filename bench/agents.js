// CPU time of authorization for a tool call (scope, tier of the model, status of the agent, budget) beside jose.jwtVerify of a token,
// with the engines in memory; and what it takes on Redis, in round trips. One process, one run, both take turns; the
// ratios are the result.
//   npm run build && node bench/agents.js
import { exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { createClient } from 'redis'
import { agentToken, createAgents, createApprovals, createAudit, createToolAccess } from 'sallyport/agents'
import { accessToken, createGuard } from 'sallyport/guard'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { redisLedger, redisStore } from 'sallyport/store/redis'
import { createTokenIssuer } from 'sallyport/tokens'
import { startRedis } from './process.js'

const ROUNDS = 9
const TIMES = 4000
const issuer = 'https://app.example.com/agents'
const resource = 'https://api.example.com'
const roles = { writer: ['data:read', 'data:write', 'model:standard'] }
const scope = 'data:write'
const call = { tool: 'notes.update', args: { id: 'note 7', text: 'hello' }, model: 'GPT-Mini', estimate: 100 }

const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const key = JSON.stringify(await exportJWK(privateKey))

/** A registered agent, its token, and what the guard has made of it. */
async function access(store, ledger) {
  const tokens = createTokenIssuer({ issuer, audience: resource, keys: [{ alg: 'ES256', key }], store })
  const approvals = createApprovals({ store })
  const audit = createAudit({ store })
  const agents = createAgents({ tokens, store, ledger, approvals, roles })
  const budget = { day: 1e12, month: 1e13 }
  const input = { tenant: 'acme', owner: 'ops', role: 'writer', budget, publicKey: await exportJWK(publicKey) }
  const { id: agent } = await agents.register(input)
  const verifier = accessToken({ issuer, algs: tokens.algs, keys: tokens.keys })
  const protect = createGuard({ resource, accept: [agentToken(agents, verifier)] })
  const { access_token: token } = await agents.issue(agent, { tenant: 'acme' })
  const outcome = await protect(new Request(resource, { headers: { Authorization: `Bearer ${token}` } }))
  const verify = createToolAccess({
    agents,
    ledger,
    approvals,
    audit,
    tools: { 'notes.update': scope, 'notes.replace': { scope, approval: 'human', audit: true } },
    tiers: { 'gpt-mini': 'standard' },
    budgets: { tenant: { month: 1e15 } },
  })
  return { verify, approvals, token, principal: outcome.principal }
}

const { verify, token, principal } = await access(memoryStore(), memoryLedger())
const options = { algorithms: ['ES256'], issuer, audience: resource, typ: 'at+jwt' }
const contestants = {
  'jose.jwtVerify': () => jwtVerify(token, publicKey, options),
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
const onRedis = await access(redisStore({ send }), redisLedger({ send }))
const verifyOnRedis = (input) => onRedis.verify(onRedis.principal, input)
const root = { method: 'session_cookie', sub: 'root', tenant: 'acme', scopes: ['admin:approve'], claims: {} }
/** A call that is audited, and that somebody has approved. */
async function approved() {
  const { cause } = await verifyOnRedis({ ...call, tool: 'notes.replace' }).catch((error) => error)
  await onRedis.approvals.decide(cause.id, { by: root, approve: true })
  return { ...call, tool: 'notes.replace', approval: cause.id }
}
const found = {
  verifyToolAccess: { prepare: () => call, run: verifyOnRedis },
  'with approval and audit': { prepare: approved, run: verifyOnRedis },
  'PING, beside it': { prepare: () => {}, run: () => send(['PING']) },
}
for (const measured of Object.values(found)) Object.assign(measured, { trips: 0, ms: [] })
// Each script is sent in full once.
await (await verifyOnRedis(await approved())).settle({ units: 60 })
for (let at = 0; at < TIMES; at++) {
  for (const measured of Object.values(found)) {
    const input = await measured.prepare()
    counted.trips = 0
    const begun = performance.now()
    const grant = await measured.run(input)
    measured.ms.push(performance.now() - begun)
    measured.trips = Math.max(measured.trips, counted.trips)
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
