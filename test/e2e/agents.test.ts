import { text } from 'node:stream/consumers'
import type { Browser, Page } from 'playwright-core'
import { verifyAudit } from 'sallyport/agents'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { button, signIn, toProvider } from './visitor.js'

let browser: Browser
let demo: Demo
let page: Page
const problems: string[] = []

beforeAll(async () => {
  ;[browser, demo] = await Promise.all([launchBrowser(), startDemo({ port: 0, quiet: true })])
  page = await opened()
  await page.goto(`${demo.url}/agents`)
  await signIn(page, demo)
})
afterAll(async () => {
  await browser?.close()
  await demo?.close()
})

/** A page in a browser of its own. */
async function opened(): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.on('pageerror', ({ message }) => problems.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      problems.push(message.text())
  })
  return page
}

const waits = (at: Page, tool: string) => at.locator('#waiting-list li').filter({ hasText: tool })
const step = (tool: string) => page.locator('#steps li').filter({ hasText: `${tool}(` })
const rows = (...words: string[]) =>
  words.reduce((found, hasText) => found.filter({ hasText }), page.locator('#trail li'))
const focused = () => page.evaluate(() => document.activeElement?.id)

/** Decides about a call, after a look at what exactly it is. */
async function decide(at: Page, tool: string, args: string, choice: 'Approve' | 'Deny'): Promise<void> {
  await waits(at, tool).getByText(args).waitFor()
  await waits(at, tool).getByText('left').waitFor()
  await waits(at, tool).getByRole('button', { name: choice }).click()
  await waits(at, tool).waitFor({ state: 'detached' })
}

describe('a person at the agents console', () => {
  it('registers an agent, watches it work, decides what it may, and ends it', async () => {
    await page.locator('#agents').getByLabel('Name').fill('Night helper')
    await page.getByLabel('Tokens a day').fill('8000')
    await page.getByLabel('Tokens a day').press('Enter')
    const agent = page.locator('#agent-list li').filter({ hasText: 'night helper' })
    await agent.getByText('Idle').waitFor()
    const id = `${await agent.getAttribute('id')}`
    await expect.poll(focused).toBe(id)
    // What the registry knows of its key is the public half.
    expect(Object.keys((await demo.agents.agents.get(id, { tenant: 'looking-glass' }))?.publicKey ?? {})).not.toContain(
      'd',
    )
    await agent.getByRole('button', { name: 'Let it act for you' }).click()
    await button(page, 'Allow').click()
    await agent.getByText('yes, until you withdraw it').waitFor()
    await agent.getByRole('button', { name: 'Start work' }).click()

    await step('notices.read').getByText('Croquet at three').waitFor()
    await decide(page, 'notes.add', '{"text":"Counted by the agent: 1 note."}', 'Approve')
    await step('notes.add').getByText('Done').waitFor()
    await decide(page, 'courier.book', '"pence":450', 'Approve')
    await step('courier.book').getByText('A pigeon is on its way to The White Rabbit.').waitFor()

    // Somebody else has to approve code.
    await waits(page, 'code.run').getByText('Waits for an administrator').waitFor()
    expect(await waits(page, 'code.run').getByRole('button').count()).toBe(0)
    const bob = await opened()
    await bob.goto(`${demo.url}/agents`)
    await toProvider(bob, demo)
    await bob.getByLabel('User name').fill(demo.administrator.username)
    await bob.getByLabel('Password').fill(demo.administrator.password)
    await button(bob, 'Sign in').click()
    await button(bob, 'Allow').click()
    const code = await waits(page, 'code.run').locator('.facts code').nth(1).textContent()
    await waits(bob, 'code.run').getByText(`${code}`).waitFor()
    expect(await bob.locator('#agent-list li').count()).toBe(0)
    await decide(bob, 'code.run', 'prices.reduce', 'Approve')
    await step('code.run').getByText('"sum":645').waitFor()

    // What it has read told it to delete and to transfer: it obeys, and nothing happens.
    await decide(page, 'notes.delete_all', '{}', 'Deny')
    await page.getByText('night helper is done').waitFor()
    for (const [tool, words] of [
      ['notes.delete_all', 'The call was denied, so nothing was done.'],
      ['account.transfer', 'Its role does not have the required scope, so nothing was done'],
    ] as const) {
      await step(tool).getByText('A text that the agent has read told it to do this').waitFor()
      await step(tool).getByText(words).waitFor()
      await rows('refused', `tool:${tool}`, id).first().waitFor()
    }
    await rows('tool:account.transfer', 'insufficient_scope').waitFor()

    const spent = await page.getByRole('img', { name: 'night helper has spent' }).getAttribute('aria-label')
    expect(spent).toMatch(/^night helper has spent [\d,]+ of 8,000 tokens today\.$/)
    expect(spent).not.toContain(' 0 of')
    await button(page, 'Verify').click()
    await page.getByText(/^Intact: \d+ rows, covered by the head/).waitFor()
    // Everybody's rows are an administrator's to take along, and the stop theirs to lift.
    expect(await button(page, 'Download as JSON lines').isVisible()).toBe(false)
    const [file] = await Promise.all([bob.waitForEvent('download'), button(bob, 'Download as JSON lines').click()])
    const lines = (await text(await file.createReadStream())).trim().split('\n')
    expect(await verifyAudit(lines)).toMatchObject({ ok: true })

    await button(page, 'Stop all agents').click()
    await page.getByText('An administrator can resume them.').waitFor()
    expect(await button(page, 'Resume').count()).toBe(0)
    await bob.reload()
    await button(bob, 'Resume').click()
    await button(bob, 'Stop all agents').waitFor()
    await bob.context().close()
    await page.reload()
    await button(page, 'Stop all agents').waitFor()

    await agent.getByRole('button', { name: 'Let it make one call' }).click()
    await page.getByText('has read the public notices, with its own token').waitFor()
    await agent.getByRole('button', { name: 'Decommission' }).click()
    await button(page, 'Decommission permanently').click()
    await page.getByText('its next call is refused').last().waitFor()
    await expect.poll(focused).toBe(id)
    await agent.getByRole('button', { name: 'Let it try a call' }).click()
    await page.getByText('night helper was refused: 401 invalid_token.').waitFor()

    // What was approved is there, and nothing else.
    await page.getByRole('link', { name: 'Your notes' }).first().click()
    await page.getByText('Counted by the agent: 1 note.').waitFor()
    expect(await page.locator('#notes li').count()).toBe(2)

    // The same in proxy mode, where the page has no token to ask with.
    await page.evaluate(() => localStorage.setItem('fieldnotes mode', 'proxy'))
    await page.goto(`${demo.url}/agents`)
    await button(page, 'Sign in').click()
    await button(page, 'Allow').click()
    await agent.getByText('Decommissioned').first().waitFor()
    await rows('agent.decommission', `alice about ${id}`).waitFor()
    expect(problems).toEqual([])
  })
})
