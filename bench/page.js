// The page's half beside the field: bytes, parse and run, getToken(), a reload, and renewals under strict rotation.
import { chromium } from 'playwright-core'
import { buildPage } from './page/build.js'
import { ensurePeers, versions } from './page/peers.js'
import { createWorld } from './page/world.js'

const ours = ['sallyport', 'sallyport-browser-only']
const field = [
  'auth0-spa-js',
  'oidc-client-ts',
  'msal-browser',
  'keycloak-js',
  'axa-oidc-client',
  'authkit-js',
  'oidc-spa',
]
/** Where a token lies while nobody uses it. */
const keeps = /^(oidc-client-ts|msal-browser|axa-oidc-client)$/

/** Its getToken() takes so long that fewer calls must do. */
const slow = /^(oidc-client-ts|msal-browser|axa-oidc-client|auth0-spa-js|oidc-spa)$/

const only = process.argv.slice(2)
const names = [...ours, ...field].filter((name) => !only.length || only.includes(name))
const peers = ensurePeers()
const built = Object.fromEntries(
  await Promise.all(['control', ...names].map(async (name) => [name, await buildPage(name, peers)])),
)
const world = await createWorld(new Map(Object.values(built).flatMap(({ pages }) => pages)), names)
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
const round = (number, digits = 1) => Number(number.toFixed(digits))

/** A browser of its own, whose clock is the world's. */
async function visit(name, clock = true) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  const settings = { ...world.settings, base: `/c/${name}/` }
  await context.addInitScript(
    ([text, offset, moved]) => {
      const Real = Date
      globalThis.skew = offset
      if (moved)
        globalThis.Date = class extends Real {
          constructor(...parts) {
            super(...(parts.length ? parts : [Real.now() + globalThis.skew * 1000]))
          }
          static now() {
            return Real.now() + globalThis.skew * 1000
          }
        }
      try {
        sessionStorage.setItem('bench', text)
      } catch {}
    },
    [JSON.stringify(settings), world.skew, clock],
  )
  return context
}

const at = (name, path = '') => `${world.origin}/c/${name}/${path}`
const ready = (page) =>
  page
    .waitForFunction(() => globalThis.bench, undefined, { timeout: 20_000 })
    .then(() => page.evaluate(() => globalThis.bench.ready))

async function signedIn(name, context) {
  const page = await context.newPage()
  await page.goto(at(name))
  if (!(await ready(page)).signedIn) {
    await page.evaluate(() => void globalThis.bench.login())
    await page.waitForURL((url) => /callback|code=/.test(url.href) || url.href === at(name), { waitUntil: 'load' })
    for (let turn = 0; turn < 20; turn++) {
      const state = await ready(page).catch(() => undefined)
      if (state?.signedIn) return page
      await page.waitForTimeout(200)
    }
    throw new Error('nobody is signed in')
  }
  return page
}

/** Milliseconds to fetch from the cache, parse and run the page's script with the processor four times slower. */
async function parseAndRun(name) {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`${world.origin}/blank.html`)
  const session = await context.newCDPSession(page)
  await session.send('Emulation.setCPUThrottlingRate', { rate: 4 })
  const times = []
  for (let turn = 0; turn < 15; turn++) {
    await page.goto(`${world.origin}/blank.html`)
    times.push(
      await page.evaluate(
        async ([entry, settings]) => {
          sessionStorage.setItem('bench', JSON.stringify(settings))
          await fetch(entry).then((response) => response.text())
          const before = performance.now()
          await import(entry)
          return performance.now() - before
        },
        [built[name].entry, { ...world.settings, base: '/' }],
      ),
    )
  }
  await context.close()
  return median(times)
}

/** A returning user's reload over a network with 50 ms of latency. */
async function reload(page, context, name) {
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 50,
    downloadThroughput: -1,
    uploadThroughput: -1,
  })
  const times = []
  let requests = 0
  const count = (request) => {
    const { origin, pathname } = new URL(request.url())
    if (request.method() !== 'OPTIONS' && (origin !== world.origin || pathname.startsWith('/bff'))) requests++
  }
  for (let turn = 0; turn < 5; turn++) {
    requests = 0
    page.on('request', count)
    await page.goto(at(name))
    const state = await ready(page)
    page.off('request', count)
    if (!state.signedIn) return { requests: 'signed out', time: Number.NaN }
    times.push(state.at)
  }
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: -1,
  })
  return { requests, time: median(times) }
}

/** Time passes for everybody; whoever wants a token now needs another one. */
async function expire(...pages) {
  world.pass(400)
  for (const page of pages)
    await page.evaluate((offset) => {
      globalThis.skew = offset
    }, world.skew)
}

/** With everybody's own clock: what a token costs that is there, and after a reload. */
async function measure(name) {
  const { eager, all } = built[name]
  const row = {
    'eager bytes': eager - built.control.eager,
    'all bytes': all - built.control.all,
    'parse and run, 4× slower (ms)': round((await parseAndRun(name)) - control),
  }
  const context = await visit(name, false)
  try {
    const page = await signedIn(name, context)
    const { together, single } = await page.evaluate(
      (turns) => globalThis.bench.compare(turns),
      slow.test(name) ? 40 : 1000,
    )
    const ratio = ([bare, own]) => round(own / bare, own / bare < 10 ? 2 : 0)
    row['getToken() (µs)'] = round(together[1], 2)
    row['100 at once / bare'] = ratio(together)
    row['one by one / bare'] = ratio(single)
    const { requests, time } = await reload(page, context, name)
    row['reload: requests'] = requests
    row['reload: ms to a token'] = round(time, 0)
    row['token in storage'] = keeps.test(name) ? 'yes' : 'no'
  } catch (error) {
    row.failed = reason(error)
  } finally {
    await context.close()
  }
  return row
}

/** When time has passed: how many grants it takes, and who fails. */
async function renew(name) {
  const row = {}
  const alone = await visit(name)
  try {
    const page = await signedIn(name, alone)
    await expire(page)
    const before = world.as.grants.refresh_token + world.as.grants.authorization_code
    const { got } = await page.evaluate(() => globalThis.bench.together(1000))
    row['1,000 calls: grants'] = world.as.grants.refresh_token + world.as.grants.authorization_code - before
    row['1,000 calls: failed'] = 1000 - got
  } catch (error) {
    row['1,000 calls: failed'] = reason(error)
  } finally {
    await alone.close()
  }
  const tabs = await visit(name)
  try {
    const pages = [await signedIn(name, tabs)]
    for (let tab = 1; tab < 10; tab++) {
      const page = await tabs.newPage()
      await page.goto(at(name))
      pages.push(page)
      if (!(await ready(page)).signedIn) {
        row['10 tabs: failed'] = 'a new tab has to sign in'
        return row
      }
    }
    await expire(...pages)
    const before = world.as.grants.refresh_token + world.as.grants.authorization_code
    const outcomes = await Promise.all(pages.map((page) => page.evaluate(() => globalThis.bench.together(1))))
    row['10 tabs: grants'] = world.as.grants.refresh_token + world.as.grants.authorization_code - before
    row['10 tabs: failed'] = outcomes.filter(({ got }) => !got).length
  } catch (error) {
    row['10 tabs: failed'] = reason(error)
  } finally {
    await tabs.close()
  }
  return row
}

const reason = (error) => String(error.message ?? error).split('\n')[0]

const control = await parseAndRun('control')
const rows = {}
for (const name of names) {
  rows[name] = await measure(name)
  console.log(name, JSON.stringify(rows[name]))
}
// From here on the clock moves.
for (const name of names) {
  Object.assign(rows[name], await renew(name))
  console.log(name, JSON.stringify(rows[name]))
}
console.table(rows)
console.log(
  Object.entries(versions)
    .map((pair) => pair.join(' '))
    .join(', '),
)
await browser.close()
await world.close()
