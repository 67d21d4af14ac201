import { type Auth, createAuth } from 'sallyport'
import { describe, expect, it, vi } from 'vitest'
import { createBrowserOnlyAuth } from '../../src/browser-only/development.js'
import { createAuth as createInDevelopment } from '../../src/client/development.js'
import { APP, goTo, ISSUER } from './page.js'

/** Slow: a warning must not depend on when the backend answers. */
const fetch = () => new Promise<Response>(() => {})
const made = {
  createAuth: (redirect_uri?: string) => createInDevelopment({ fetch, ...(redirect_uri && { redirect_uri }) }),
  createBrowserOnlyAuth: (redirect_uri?: string) =>
    createBrowserOnlyAuth({ issuer: ISSUER, client_id: 'spa', fetch, ...(redirect_uri && { redirect_uri }) }),
}

describe.each(Object.entries(made))('a callback that nothing looks at, with %s in development', (_, create) => {
  /** What the console has said four seconds after the page was loaded. `meanwhile`: what the app does at once. */
  async function said(path: string, meanwhile: (auth: ReturnType<typeof create>) => unknown, redirect_uri?: string) {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    goTo(APP + path)
    const auth = create(redirect_uri)
    meanwhile(auth)
    await vi.advanceTimersByTimeAsync(4000)
    auth.close()
    return warn.mock.calls.map(([text]) => `${text}`)
  }

  it.each([
    ['a code', '/callback?code=secret-code&state=secret-state', undefined],
    ['an error', '/callback?state=secret-state&error=access_denied', undefined],
    ['another redirect URI', '/app/in?code=secret-code&state=secret-state', '/app/in'],
  ])('is told, with cause and remedy and without its query: %s', async (_, path, redirect_uri) => {
    const [text, ...more] = await said(path, () => {}, redirect_uri)
    expect(more).toEqual([])
    for (const words of [`${APP}${path.split('?')[0]}`, 'auth.ready()', '<AuthProvider>', 'docs/page.md#routers'])
      expect(text).toContain(words)
    expect(text).not.toMatch(/secret|state=|access_denied/)
  })

  it('is told, too, where a router has replaced the URL before the app looks', async () => {
    const texts = await said('/callback?code=1&state=2', (auth) => {
      goTo(`${APP}/`)
      auth.ready()
      auth.ready()
    })
    expect(texts).toEqual([
      expect.stringMatching(/back to .*\/callback is not finished: a router has replaced the URL/),
    ])
  })

  it.each([
    ['the app looks at it', '/callback?code=1&state=2', (auth: Auth) => auth.ready()],
    ['a component subscribes', '/callback?code=1&state=2', (auth: Auth) => auth.subscribe(() => {})],
    ['it is another page', '/notes?code=1&state=2', () => {}],
    ['it is no response', '/callback?tab=1', () => {}],
  ])('is not told of where %s', async (_, path, meanwhile) => {
    expect(await said(path, meanwhile)).toEqual([])
  })
})

it('in production nothing is told', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  goTo(`${APP}/callback?code=1&state=2`)
  createAuth({ fetch })
  await vi.advanceTimersByTimeAsync(4000)
  expect(warn).not.toHaveBeenCalled()
})
