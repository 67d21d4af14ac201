import { http, type RequestHandler } from 'msw'

export type { RequestHandler }

/**
 * msw request handlers for everything under the provider's issuer: `setupServer(...(await as.handlers()))`. A fault
 * that breaks the connection breaks it here, too.
 */
export function mswHandlers(as: { issuer: string; fetch(request: Request): Promise<Response> }): RequestHandler[] {
  const answer = async ({ request }: { request: Request }) => {
    try {
      return await as.fetch(request)
    } catch {
      return Response.error()
    }
  }
  const base = as.issuer.replace(/\/$/, '')
  return [http.all(`${base}/*`, answer)]
}
