import { createAuth } from 'sallyport'
import { createBrowserOnlyAuth } from 'sallyport/browser-only'
import { watchCountdown } from 'sallyport/countdown'
import { describe, expect, it } from 'vitest'

/** The page's half where there is no page: on a server that renders it. */
export function describeImports(): void {
  describe('the page, imported without a browser', () => {
    it('[S-74] starts nothing: everybody is pending, and what needs a browser says so', async () => {
      const options = { issuer: 'https://login.example.net', client_id: 'spa' }
      for (const auth of [createAuth(), createBrowserOnlyAuth(options)]) {
        expect(auth.session).toEqual({ status: 'pending' })
        expect(await auth.ready()).toEqual({ status: 'pending' })
        await expect(auth.getToken()).rejects.toMatchObject({ code: 'not_in_browser' })
        auth.close()
      }
      expect(watchCountdown).toBeTypeOf('function')
    })
  })
}
