import type { Page } from 'playwright-core'

/** What a visitor has to know of a demo. */
export interface Place {
  url: string
  issuer: string
  person: { password: string }
}

export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

export async function toProvider(page: Page, { issuer }: Place): Promise<void> {
  await button(page, 'Sign in').click()
  await page.waitForURL(`${issuer}/**`)
}

export async function authenticate(page: Page, { person }: Place): Promise<void> {
  await page.getByLabel('Password').fill(person.password)
  await button(page, 'Sign in').click()
}

/** From the open demo to being signed in. */
export async function signIn(page: Page, place: Place): Promise<void> {
  await toProvider(page, place)
  await authenticate(page, place)
  await button(page, 'Allow').click()
  await page.waitForURL(`${place.url}/**`)
  await button(page, 'Sign out').waitFor()
}

/** From being signed in, over the provider, back to the open demo: the page shows itself signed out before it leaves. */
export async function signOut(page: Page, place: Place): Promise<void> {
  const left = page.waitForURL(`${place.issuer}/**`, { waitUntil: 'commit' })
  await button(page, 'Sign out').click()
  await left
  await page.waitForURL(`${place.url}/**`)
  await button(page, 'Sign in').waitFor()
}
