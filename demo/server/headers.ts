import type { ServerResponse } from 'node:http'

/** What a document may load and do; a missing directive falls back to `default-src 'none'`. */
export type Policy = Readonly<Record<string, string>>

const everywhere: Policy = { 'default-src': "'none'", 'base-uri': "'none'", 'frame-ancestors': "'none'" }

/** The app's page: its own files, its own backend, and no way to make script from text. */
export const pagePolicy: Policy = {
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'connect-src': "'self'",
  'form-action': "'none'",
  'require-trusted-types-for': "'script'",
  'trusted-types': "'none'",
}

/** The provider's pages post to themselves, and the response redirects to the app. */
export const providerPolicy = (appOrigin: string): Policy => ({
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'form-action': `'self' ${appOrigin}`,
})

/** Sets headers of every response. A handler may set stricter ones. */
export function secure(response: ServerResponse, policy: Policy = { 'form-action': "'none'" }): void {
  const directives = Object.entries({ ...everywhere, ...policy }).map(([name, value]) => `${name} ${value}`)
  response.setHeader('Content-Security-Policy', directives.join('; '))
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin')
  response.setHeader('Permissions-Policy', 'camera=(), geolocation=(), microphone=()')
}
