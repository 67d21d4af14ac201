import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Interaction, Provider } from 'oidc-provider'
import { consentPage, errorPage, loginPage } from './pages.js'
import { authenticate, nameOf } from './people.js'

/** How an authorization request may end without interaction. */
export interface Refusal {
  error: string
  error_description: string
}

export interface InteractionPorts {
  provider: Provider
  appName: string
  appUrl: string
  /** An error for the next authorization request, used once. */
  takeRefusal(): Refusal | undefined
}

const path = /^\/interaction\/([\w-]+)(?:\/(login|consent|cancel))?$/

/** The sign-in and consent pages. `false`: the request is not for them. */
export function createInteractions(ports: InteractionPorts) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const [matched, uid, action] = path.exec(request.url ?? '') ?? []
    if (!matched || !uid) return false
    response.setHeader('Cache-Control', 'no-store')
    const interaction = await ports.provider.interactionDetails(request, response).catch(() => undefined)
    if (interaction?.uid !== uid) gone(response, ports.appUrl)
    else if (action === undefined) await show(interaction, ports, request, response)
    else if (request.method !== 'POST' || isForeign(request)) response.writeHead(405, { Allow: 'POST' }).end()
    else await act(action, interaction, ports, request, response)
    return true
  }
}

/** A form on another site. With `Referrer-Policy: no-referrer` a form's Origin is `null`, so this header decides. */
const isForeign = ({ headers }: IncomingMessage) => (headers['sec-fetch-site'] ?? 'same-origin') !== 'same-origin'

async function show(
  interaction: Interaction,
  ports: InteractionPorts,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const { uid, prompt, params, session } = interaction
  const refusal = ports.takeRefusal()
  if (refusal) return ports.provider.interactionFinished(request, response, refusal)
  const app = ports.appName
  if (prompt.name === 'login') return send(response, 200, loginPage({ uid, app, username: params['login_hint'] }))
  const scopes = (params['scope'] ?? '').split(' ').filter(Boolean)
  send(response, 200, consentPage({ uid, app, name: nameOf(session?.accountId), scopes }))
}

async function act(
  action: string,
  interaction: Interaction,
  { provider, appName: app }: InteractionPorts,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const { uid, prompt } = interaction
  if (action === 'cancel') {
    const denied = { error: 'access_denied', error_description: 'The user denied the request.' }
    return provider.interactionFinished(request, response, denied, { mergeWithLastSubmission: false })
  }
  if (action !== prompt.name) return response.writeHead(303, { Location: `/interaction/${uid}` }).end()
  if (action === 'consent')
    return provider.interactionFinished(request, response, { consent: { grantId: await grant(provider, interaction) } })

  const form = await readForm(request)
  const username = form.get('username') ?? ''
  const accountId = authenticate(username, form.get('password') ?? '')
  if (accountId) return provider.interactionFinished(request, response, { login: { accountId } })
  send(response, 200, loginPage({ uid, app, username, failed: true }))
}

/** Stores the new consent in addition to earlier consents. */
async function grant(provider: Provider, { grantId, session, params, prompt }: Interaction): Promise<string> {
  const known = grantId ? await provider.Grant.find(grantId) : undefined
  const agreed =
    known ?? new provider.Grant({ accountId: session?.accountId ?? '', clientId: params['client_id'] ?? '' })
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes = {} } = prompt.details
  if (missingOIDCScope) agreed.addOIDCScope(missingOIDCScope.join(' '))
  if (missingOIDCClaims) agreed.addOIDCClaims(missingOIDCClaims)
  for (const [resource, scopes] of Object.entries(missingResourceScopes))
    agreed.addResourceScope(resource, scopes.join(' '))
  return agreed.save()
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > 4096) break
  }
  return new URLSearchParams(text.slice(0, 4096))
}

export function send(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(page)
}

const gone = (response: ServerResponse, appUrl: string) =>
  send(
    response,
    410,
    errorPage('interaction_ended', 'This sign-in has ended. Please start again from the app.', appUrl),
  )
