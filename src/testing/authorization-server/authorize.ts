import { clientOf, familyOf, issue, type ProviderState, randomText } from './provider-state.js'

/**
 * The authorization endpoint. It redirects only if client and redirect URI match; then every fault is an error response
 * to the redirect URI. @see RFC 6749 section 4.1.2.1
 */
export async function authorize(state: ProviderState, url: URL): Promise<Response> {
  const query = pushedOr(state, url.searchParams)
  if (!query)
    return page(400, 'The request_uri is unknown, was already used, has expired, or belongs to another client.')
  const client = clientOf(state, query.get('client_id'))
  const redirect_uri = query.get('redirect_uri') ?? ''
  if (!client) return page(400, 'Client not registered.')
  if (!client.redirect_uris.includes(redirect_uri)) return page(400, 'Redirect URI not registered.')

  const respond = async (parameters: Record<string, string>): Promise<Response> => {
    const response = new URLSearchParams(parameters)
    const sentState = query.get('state')
    if (sentState !== null) response.set('state', sentState)
    response.set('iss', state.issuer)
    const target = new URL(redirect_uri)
    const final = state.tamper.authorizationResponse?.(response) ?? response
    if (query.get('response_mode') === 'form_post') return formPost(redirect_uri, final)
    const sent = query.get('response_mode') === 'jwt' ? await signed(state, client.client_id, final) : final
    target.search = [target.search.slice(1), sent.toString()].filter(Boolean).join('&')
    return new Response(null, { status: 302, headers: { Location: target.href } })
  }
  const refuse = (error: string, error_description: string) => respond({ error, error_description })

  for (const name of new Set(query.keys()))
    if (name !== 'resource' && query.getAll(name).length > 1) return refuse('invalid_request', `${name} is repeated`)
  if (!['query', 'form_post', 'jwt', null].includes(query.get('response_mode')))
    return refuse('invalid_request', 'response_mode must be query, form_post or jwt')
  if (query.get('response_type') !== 'code') return refuse('unsupported_response_type', 'response_type must be code')
  const code_challenge = query.get('code_challenge') ?? ''
  if (query.get('code_challenge_method') !== 'S256')
    return refuse('invalid_request', 'code_challenge_method must be S256')
  if (!/^[\w-]{43}$/.test(code_challenge)) return refuse('invalid_request', 'code_challenge is required')
  const scope = query.get('scope') ?? ''
  if (!scope.split(' ').includes('openid')) return refuse('invalid_scope', 'scope must include openid')
  const resource = query.getAll('resource')
  if (resource.some((item) => !URL.canParse(item) || item.includes('#')))
    return refuse('invalid_target', 'resource must be an absolute URI')

  const { denial } = state
  state.denial = undefined
  if (denial) return respond({ ...denial })
  const user = state.signedIn
  if (!user)
    return query.get('prompt') === 'none' ? refuse('login_required', 'nobody is signed in') : page(200, 'Sign in')
  const max_age = query.get('max_age')
  // The user is present and authenticates again when asked.
  if (query.get('prompt') === 'login' || (max_age !== null && state.now() - user.auth_time > Number(max_age))) {
    if (query.get('prompt') === 'none') return refuse('login_required', 'the authentication is too old')
    user.auth_time = Math.floor(state.now())
  }
  const nonce = query.get('nonce')
  const acr = query.get('acr_values')?.split(' ')[0]
  const code = issue(state, randomText())
  state.codes.set(code, {
    client_id: client.client_id,
    redirect_uri,
    code_challenge,
    scope,
    resource,
    sub: user.sub,
    sid: user.sid,
    auth_time: user.auth_time,
    family: familyOf(state, { sid: user.sid, client_id: client.client_id }),
    expires: state.now() + 60,
    used: false,
    ...(nonce !== null && { nonce }),
    ...(acr !== undefined && { acr }),
  })
  return respond({ code })
}

/** The authorization response as one JWT. @see JWT Secured Authorization Response Mode section 2.3.1 */
async function signed(state: ProviderState, aud: string, response: URLSearchParams): Promise<URLSearchParams> {
  const claims = { iss: state.issuer, aud, exp: Math.floor(state.now()) + 60, ...Object.fromEntries(response) }
  const header = { alg: 'RS256' }
  const jwt = await state.keys.sign(state.tamper.signed?.(claims, header) ?? { claims, header })
  return new URLSearchParams({ response: jwt })
}

/** A form that the browser submits on load. @see OAuth 2.0 Form Post Response Mode section 2 */
function formPost(action: string, parameters: URLSearchParams): Response {
  const inputs = [...parameters].map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`,
  )
  const form = `<form method="post" action="${escaped(action)}">${inputs.join('')}</form>`
  return new Response(`<!doctype html><title>Submit</title><body onload="document.forms[0].submit()">${form}`, {
    headers: { 'Content-Type': 'text/html', 'Cache-Control': 'no-store' },
  })
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')

const page = (status: number, text: string): Response =>
  new Response(`<!doctype html><title>${text}</title><p>${text}</p>`, {
    status,
    headers: { 'Content-Type': 'text/html' },
  })

/**
 * The parameters of a pushed request, once, before it expires, and only for the client that pushed it; the parameters
 * of any other request unchanged. `undefined` if the request_uri is not valid. @see RFC 9126 section 4
 */
function pushedOr(state: ProviderState, query: URLSearchParams): URLSearchParams | undefined {
  const request_uri = query.get('request_uri')
  if (request_uri === null) return query
  const pushed = state.pushed.get(request_uri)
  // Another client that knows the request_uri does not use it up.
  if (pushed?.form.get('client_id') !== query.get('client_id') || !pushed) return undefined
  state.pushed.delete(request_uri)
  return state.now() > pushed.expires ? undefined : pushed.form
}
