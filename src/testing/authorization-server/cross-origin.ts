/** CORS headers for pages of any origin, if a public client is registered. @see Fetch Standard section 3.2 */
const headers = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST',
  'Access-Control-Allow-Headers': 'content-type, dpop',
  'Access-Control-Expose-Headers': 'dpop-nonce, retry-after',
}

/** Answers a preflight, and lets a page read every other response. */
export async function crossOrigin(request: Request, answer: () => Promise<Response>): Promise<Response> {
  if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers })
  const response = await answer()
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  return response
}
