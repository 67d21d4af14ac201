import { createProviderJwt } from '../../provider/jwt/verify-jwt.js'
import { Refusal } from '../errors.js'
import { type Form, requiredParameter } from '../http/form.js'
import type { Provider } from '../providers.js'

/**
 * Verifies a signed authorization response (`response_mode: 'jwt'`). Parameters outside the JWT are ignored.
 *
 * @throws Refusal `authorization_error` with the claim, ProviderError if the keys cannot be read
 * @see JWT Secured Authorization Response Mode section 2.4
 */
export function createSignedResponse(provider: Provider): (form: Form) => Promise<Form> {
  const verify = createProviderJwt(
    provider,
    (claim, detail) =>
      new Refusal('authorization_error', {
        claim,
        description: `The provider's signed response was refused: ${claim}`,
        detail,
      }),
  )
  return async (form) => {
    const { payload } = await verify(requiredParameter(form, 'response'), { requiredClaims: [] })
    return new Map(
      Object.entries(payload).flatMap(([name, value]) => (typeof value === 'string' ? [[name, [value]]] : [])),
    )
  }
}
