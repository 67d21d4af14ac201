import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { hunt, overhear } from './hunt.js'
import { button, signIn } from './visitor.js'

let browser: Browser
let demo: Demo
let context: BrowserContext
let page: Page
const problems: string[] = []

// One person, one sign-in: each test looks at what has changed.
beforeAll(async () => {
  ;[browser, demo] = await Promise.all([launchBrowser(), startDemo({ port: 0, quiet: true })])
  context = await browser.newContext()
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: demo.url })
  await context.addInitScript(overhear)
  page = await context.newPage()
  // Whoever hunts, and reads every property of a page, makes its getters complain.
  page.on('pageerror', ({ message }) => message.includes('Illegal invocation') || problems.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      problems.push(message.text())
  })
  await page.goto(`${demo.url}/keys`)
  await signIn(page, demo)
})
afterAll(async () => {
  await browser?.close()
  await demo?.close()
})

const tenant = 'looking-glass'
const newKey = { name: 'laptop', scopes: ['notes:read'], expiresIn: 7 * 86_400 }
const day = 86_400

/** What the person's page sends with its calls. */
async function asPerson(wanted: Record<string, string> = {}): Promise<Record<string, string>> {
  const token = await page.evaluate(async (form) => {
    const body = new URLSearchParams(form)
    const response = await fetch('/bff/session', { method: 'POST', headers: { 'Sallyport-CSRF': '1' }, body })
    return (await response.json()).token.access_token
  }, wanted)
  return { Authorization: `Bearer ${token}` }
}

async function call(method: string, path: string, headers: Record<string, string>, body?: unknown) {
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  const response = await fetch(demo.url + path, { method, headers, ...sent })
  const text = await response.text()
  return { status: response.status, body: text ? JSON.parse(text) : undefined }
}

/** Everything that is kept of the keys of all owners. */
const kept = async () => JSON.stringify(await demo.keys.list({ tenant }))

describe('the endpoints behind the key console', () => {
  it('[K-01] make and change no key for nobody, whatever the body says', async () => {
    const { record } = await demo.keys.create({ ...newKey, tenant, owner: 'alice' })
    const before = await kept()
    for (const more of [{}, { userId: 'alice' }, { owner: 'alice', tenant }])
      for (const [method, path, body] of [
        ['POST', '/api/keys', { ...newKey, ...more }],
        ['POST', `/api/keys/${record.id}/rotate`, { grace: 0, ...more }],
        ['DELETE', `/api/keys/${record.id}`, more],
        ['GET', '/api/keys', undefined],
        ['GET', '/api/keys/usage', undefined],
      ] as const)
        expect((await call(method, path, {}, body)).status, `${method} ${path}`).toBe(401)
    // A cookie that is there does not make it somebody either.
    const status = await page.evaluate(
      async (body) => (await fetch('/api/keys', { method: 'POST', body: JSON.stringify(body) })).status,
      newKey,
    )
    expect(status).toBe(401)
    expect(await kept()).toBe(before)
  })

  it('[K-01 twin][K-02 twin] make one for who is signed in: theirs, in their tenant', async () => {
    const { status, body } = await call('POST', '/api/keys', await asPerson(), newKey)
    expect(status).toBe(201)
    const record = await demo.keys.get(body.id, { tenant })
    expect(record).toMatchObject({ owner: 'alice', tenant, name: 'laptop', scopes: ['notes:read'] })
    expect((record?.expiresAt ?? 0) - (record?.createdAt ?? 0)).toBe(7 * day)
  })

  it.each([
    ['owner', '"mallory"'],
    ['tenant', '"elsewhere"'],
    ['userId', '"mallory"'],
    ['id', '"0000000000000000"'],
    ['permissions', '["admin"]'],
    ['limits', '{"requests":1000000}'],
    ['metadata', '{"a":"b"}'],
    ['ips', '["0.0.0.0/0"]'],
    ['maxAge', '31536000'],
    ['__proto__', '{"owner":"mallory"}'],
    ['constructor', '{}'],
  ])('[K-02] refuse %s in the body by its name, and make no key', async (field, value) => {
    const before = await kept()
    const body = `${JSON.stringify(newKey).slice(0, -1)},${JSON.stringify(field)}:${value}}`
    const answer = await call('POST', '/api/keys', await asPerson(), body)
    expect(answer.status).toBe(400)
    expect(answer.body.error_description).toContain(`"${field}"`)
    expect(await kept()).toBe(before)
  })

  it('refuse values that nobody offers, and say what would do', async () => {
    const before = await kept()
    for (const [more, words] of [
      [{ scopes: ['notes:read', 'notes:*'] }, '"scopes" must list'],
      [{ scopes: [] }, '"scopes" must list'],
      [{ scopes: 'notes:read' }, '"scopes" must list'],
      [{ expiresIn: 365 * day }, '"expiresIn" must be one of'],
      [{ expiresIn: `${7 * day}` }, '"expiresIn" must be one of'],
      [{ name: ' ' }, '"name" must be a text'],
      [{ name: 'x'.repeat(61) }, '"name" must be a text'],
    ] as const) {
      const { status, body } = await call('POST', '/api/keys', await asPerson(), { ...newKey, ...more })
      expect([status, body.error_description]).toEqual([400, expect.stringContaining(words)])
    }
    expect((await call('POST', '/api/keys', await asPerson(), '[]')).status).toBe(400)
    expect(await kept()).toBe(before)
  })

  it('make no key that may do more than the sign-in', async () => {
    const headers = await asPerson({ resource: demo.resource, scope: 'notes:read' })
    const before = await kept()
    const { status, body } = await call('POST', '/api/keys', headers, {
      ...newKey,
      scopes: ['notes:read', 'notes:write'],
    })
    expect([status, body.error]).toEqual([403, 'insufficient_scope'])
    expect(await kept()).toBe(before)
    expect((await call('POST', '/api/keys', headers, newKey)).status).toBe(201)
  })

  it('[K-11] take no key: none is made, widened, rotated or ended by one, not even by itself', async () => {
    const { key, record } = await demo.keys.create({
      ...newKey,
      scopes: ['notes:read', 'notes:write'],
      tenant,
      owner: 'alice',
    })
    const calls = [
      ['POST', '/api/keys', newKey],
      ['POST', `/api/keys/${record.id}/rotate`, { grace: 0 }],
      ['DELETE', `/api/keys/${record.id}`, undefined],
      ['GET', '/api/keys', undefined],
      ['GET', '/api/keys/usage', undefined],
    ] as const
    const before = await kept()
    for (const [method, path, body] of calls) {
      for (const headers of [{ 'X-API-Key': key }, { Authorization: `Bearer ${key}` }]) {
        const answer = await call(method, path, headers, body)
        expect([answer.status, answer.body.error]).toEqual([403, 'credential_not_accepted'])
      }
      expect((await call(method, `${path}?api_key=${key}`, {}, body)).status).toBe(400)
      expect((await call(method, path, { ...(await asPerson()), 'X-API-Key': key }, body)).status).toBe(400)
    }
    expect(await kept()).toBe(before)
    expect((await call('GET', '/api/notes', { 'X-API-Key': key })).status).toBe(200)
    expect((await call('DELETE', '/api/notes', { 'X-API-Key': key })).body.error).toBe('credential_not_accepted')
  })

  it('[K-11 twin] take the user’s own token', async () => {
    const headers = await asPerson()
    const { body: made } = await call('POST', '/api/keys', headers, newKey)
    const { body: next, status } = await call('POST', `/api/keys/${made.id}/rotate`, headers, { grace: 0 })
    expect(status).toBe(201)
    expect((await call('GET', '/api/notes', { 'X-API-Key': made.key })).body.error).toBe('api_key_expired')
    expect((await call('DELETE', `/api/keys/${next.id}`, headers)).status).toBe(204)
    expect((await call('GET', '/api/notes', { 'X-API-Key': next.key })).body.error).toBe('invalid_api_key')
    expect((await call('POST', `/api/keys/${next.id}/rotate`, headers, { grace: 0 })).status).toBe(409)
  })

  it('[K-13] give a key its calls a minute and no more, and say so in the list', async () => {
    const headers = await asPerson()
    const { body: made } = await call('POST', '/api/keys', headers, { ...newKey, name: 'eager' })
    const answers: { status: number; body: { error?: string } }[] = []
    // A new minute may begin on the way: never two.
    for (let at = 0; at < 41; at++) answers.push(await call('GET', '/api/notes', { 'X-API-Key': made.key }))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]?.body.error).toBe('quota_exceeded')
    const { body } = await call('GET', '/api/keys', headers)
    const shown = body.keys.find(({ id }: { id: string }) => id === made.id)
    expect(shown).toMatchObject({ usedToday: 41 - refused.length, quota: { minute: 20, day: 1000 } })
  })

  it('neither show nor touch a key of somebody else in the same tenant', async () => {
    const { key, record } = await demo.keys.create({ ...newKey, tenant, owner: 'mallory' })
    const headers = await asPerson()
    expect((await call('POST', `/api/keys/${record.id}/rotate`, headers, { grace: 0 })).status).toBe(404)
    expect((await call('DELETE', `/api/keys/${record.id}`, headers)).status).toBe(404)
    const { body } = await call('GET', '/api/keys', headers)
    expect(JSON.stringify(body)).not.toContain(record.id)
    expect(JSON.stringify(body)).not.toMatch(/digest|owner|mallory/)
    expect((await call('GET', '/api/notes', { 'X-API-Key': key })).status).toBe(200)
  })
})

describe('a user at the key console', () => {
  const rows = (text: string) => page.locator('#key-list li').filter({ hasText: text })
  const shown = () => page.locator('#shown-key').inputValue()
  const focused = () => page.evaluate(() => document.activeElement?.id)
  const choose = (label: string, option: string) => page.getByLabel(label, { exact: true }).selectOption(option)

  /** Sends what is chosen, and waits for the answer that is expected. */
  async function send(...words: string[]) {
    await page.evaluate(() => document.querySelector('#tried')?.replaceChildren())
    await button(page, 'Send').click()
    for (const text of words) await page.locator('#tried').getByText(text, { exact: true }).waitFor()
  }

  /** What has become of all calls so far. */
  async function use() {
    const { minutes } = (await call('GET', '/api/keys/usage', await asPerson())).body
    const sum = (name: string) =>
      minutes.reduce((all: number, minute: Record<string, number>) => all + (minute[name] ?? 0), 0)
    return { accepted: sum('accepted'), insufficient_scope: sum('insufficient_scope'), refused: sum('refused') }
  }

  it('creates a key, copies it, tries it, rotates it with grace, revokes it, and sees what became of it', async () => {
    await demo.keys.revokeOwner('alice', { tenant })
    const before = await use()
    await page.reload()
    await page.locator('#keys').getByLabel('Name').fill('Nightly backup')
    const ticked = page.locator('#create [name=scope]:checked')
    expect(await ticked.evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value))).toEqual(['notes:read'])
    await page.locator('#keys').getByLabel('Name').press('Enter')
    await page.getByText('The key is created.').waitFor()
    expect(await focused()).toBe('shown-key')
    const first = await shown()
    expect(first).toMatch(/^demo_key_\w{66}$/)
    await button(page, 'Copy').click()
    await page.getByText('Copied.').waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(first)

    await send('200 OK')
    await choose('Sent as', 'Authorization: Bearer')
    await send('200 OK')
    await choose('Call', 'Write a note')
    await send('403 Forbidden', 'insufficient_scope')

    // Whoever does not mean it is where they were.
    await rows('Nightly backup').getByText('of 1,000 calls').waitFor()
    await rows('Nightly backup').getByRole('button', { name: 'Rotate' }).click()
    await page.keyboard.press('Escape')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Rotate')
    await page.keyboard.press('Enter')
    await page.getByLabel('The old key is valid').selectOption('for one more hour')
    await button(page, 'Rotate now').click()
    await page.getByText('The old key is valid for another hour').waitFor()
    const second = await shown()
    expect(second).not.toBe(first)
    await choose('Call', 'Read the notes')
    for (const key of [second, first]) {
      await page.getByLabel('The key', { exact: true }).fill(key)
      await send('200 OK')
    }
    const [, id = ''] = /^demo_key_(\w{16})/.exec(second) ?? []
    await rows('Valid until').getByText('Replaced by').getByRole('link').click()
    expect(await focused()).toBe(`key-${id}`)

    // Nothing of a key is left once it is taken off the page.
    await page.getByLabel('The key', { exact: true }).fill('')
    await button(page, 'I have copied it, hide it').click()
    expect(await focused()).toBe('keys-title')
    expect(await hunt(page, [first, second])).toEqual([])
    expect(
      await page
        .locator('input, textarea')
        .evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value).join()),
    ).not.toContain('demo_key')

    await rows('Replaces').getByRole('button', { name: 'Revoke' }).click()
    await button(page, 'Revoke permanently').click()
    await page.getByText('the next call with it is refused').waitFor()
    expect(await focused()).toBe(`key-${id}`)
    await page.getByLabel('The key', { exact: true }).fill(second)
    await send('403 Forbidden', 'invalid_api_key')
    await choose('With', 'no credential')
    await send('401 Unauthorized', 'missing_credentials', 'Bearer scope="notes:read"')
    await choose('With', 'a key that was revoked')
    await choose('Sent as', 'part of the URL')
    await send('400 Bad Request', 'invalid_request')
    const addresses = () =>
      page.evaluate(() =>
        performance
          .getEntries()
          .map(({ name }) => name)
          .join(),
      )
    await expect.poll(addresses).not.toContain('api_key=')

    const after = await use()
    expect(after).toEqual({
      accepted: before.accepted + 4,
      insufficient_scope: before.insufficient_scope + 1,
      refused: before.refused + 2,
    })
    const chart = page.getByRole('img', { name: 'minutes' })
    await expect.poll(() => chart.getAttribute('aria-label')).toContain(`${after.accepted} accepted, 1 scope missing`)
    await page.getByText('As a table').click()
    expect(await page.locator('#usage tbody td').allTextContents()).toContain('1')
    const states = (name: string) => rows(name).locator('.badge').allTextContents()
    expect(await states('Nightly backup')).toEqual([expect.stringMatching(/^Valid until/), 'Revoked'])
    expect(await states('Made to be refused')).toEqual(['Revoked'])
    expect(problems).toEqual([])
  })

  it('finds the same keys in proxy mode, where the page has no token to ask with', async () => {
    await page.evaluate(() => localStorage.setItem('fieldnotes mode', 'proxy'))
    await page.reload()
    await button(page, 'Sign in').click()
    await button(page, 'Allow').click()
    await rows('Valid until').waitFor()
    expect(new URL(page.url()).pathname).toBe('/keys')
    await page.locator('#keys').getByLabel('Name').fill('From proxy mode')
    await button(page, 'Create key').click()
    await rows('From proxy mode').waitFor()
    await send('200 OK')
    // Whoever comes back to the page does not find the key there.
    await page.getByRole('link', { name: 'Your notes' }).click()
    await page.locator('#notes li').first().waitFor()
    await page.evaluate(() => void setTimeout(() => history.back()))
    await rows('From proxy mode').waitFor()
    expect(await page.locator('#shown').isVisible()).toBe(false)
    expect([await shown(), await page.locator('#try-key').inputValue()]).toEqual(['', ''])
    expect(problems).toEqual([])
  })
})
