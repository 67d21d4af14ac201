import { sha256 } from '../../crypto/hash.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { isSafeUrl } from '../../protocol/option-checks.js'
import { readable } from '../../provider/failures/provider-text.js'
import type { BffContext } from '../context.js'
import { Refusal } from '../errors.js'
import { json, withHeaders } from '../http/answers.js'
import { readParameter } from '../http/form.js'
import type { SessionList } from '../sessions/sessions.js'
import { recordOf } from '../store/record-id.js'
import { createLogoutTokenVerifier, refusedLogout, unverifiedIssuer } from './logout-token.js'

/** Sign-out by the provider. These endpoints use no cookies. */
export function createProviderLogout({ settings, providers, store }: BffContext, sessionList: SessionList) {
  const { emit } = settings
  const verifiers = new Map(providers.all.map((provider) => [provider, createLogoutTokenVerifier(provider)]))
  const verify = (token: string) => {
    const iss = unverifiedIssuer(token)
    const provider = providers.byIssuer(iss)
    const verifier = provider && verifiers.get(provider)
    if (verifier) return verifier(token)
    const known = providers.all.map(({ settings }) => settings.issuer).join(', ')
    throw refusedLogout('iss', `"iss" is "${readable(iss)}"; configured: ${known}`)
  }

  return {
    /**
     * `POST /backchannel-logout`: 200 if the sessions have ended, 400 if the token is refused, 503 if the provider has to try again.
     * @see OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8
     */
    async backChannel(request: PlainRequest): Promise<PlainResponse> {
      // Other parameters are ignored (section 2.5).
      const [token, ...tokens] = await readParameter(request, 'logout_token')
      if (!token || tokens.length)
        throw new Refusal('invalid_request', { description: 'logout_token is required, once.' })
      const { owner, jti, lifetime } = await verify(token)
      const usedToken = recordOf('logout-token', await sha256(`${owner.iss} ${jti}`))
      // Remember the token only after success, so that the provider can try again after a failure.
      if (await store.get(usedToken))
        throw new Refusal('invalid_request', { description: 'The logout token was used before.' })
      const count = await sessionList.endAll(owner)
      await store.consume(usedToken, lifetime)
      emit({ type: 'provider_logout', channel: 'back', sessions: count })
      return json({})
    },

    /**
     * `GET /frontchannel-logout`, in an iframe of the provider’s page: ends the sessions of this `sid`. Only the provider and this
     * backend know it. @see OpenID Connect Front-Channel Logout 1.0 section 2
     */
    async frontChannel(request: PlainRequest): Promise<PlainResponse> {
      const { searchParams } = new URL(request.url)
      const [iss, ...issuers] = searchParams.getAll('iss')
      const [sid, ...sids] = searchParams.getAll('sid')
      if (!iss || !sid || issuers.length || sids.length)
        throw new Refusal('invalid_request', { description: 'iss and sid are required, once each.' })
      const provider = providers.byIssuer(iss)
      if (!provider) throw new Refusal('issuer_mismatch')
      const count = await sessionList.endAll({ iss, sid })
      emit({ type: 'provider_logout', channel: 'front', sessions: count })
      // An issuer may be any text; its pages are where users sign in.
      const page = isSafeUrl(iss) ? iss : `${(await provider.metadata()).authorization_endpoint}`
      const framedBy = `default-src 'none'; frame-ancestors ${new URL(page).origin}`
      return withHeaders(json({}), { 'Content-Security-Policy': framedBy })
    },
  }
}
