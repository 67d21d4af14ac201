import { auth } from './auth.js'
import { Refusal } from './words.js'

/**
 * One call of a demo API for the user's own objects, as the user. `auth.fetch` works in both modes.
 * Rejects with a message that may be shown.
 */
export async function callAs(path: string, method = 'GET', body?: unknown): Promise<Response> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  const response = await auth.fetch(path, { method, ...sent })
  if (response.ok) return response
  if (response.status === 401)
    throw new Refusal('The API refused the token, and no other token is available yet. Try again in a few seconds.')
  const { error_description } = response.status < 500 ? await response.json().catch(() => ({})) : {}
  throw new Refusal(
    typeof error_description === 'string'
      ? error_description
      : 'The API does not respond. Please try again in a moment.',
  )
}
