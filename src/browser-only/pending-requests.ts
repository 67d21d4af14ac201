/** What is kept of an authorization request, to verify its answer. */
interface PendingRequest {
  nonce: string
  redirect_uri: string
  max_age?: number
  acr_values?: string
}

const key = (state: string) => `sallyport-browser-only.${state}`

/** Saves a request in this tab until its answer. There is no secret in it: oidc-client-ts keeps the code verifier. */
export function saveRequest(form: URLSearchParams): void {
  const max_age = form.get('max_age')
  const acr_values = form.get('acr_values')
  const begun: PendingRequest = {
    nonce: form.get('nonce') ?? '',
    redirect_uri: form.get('redirect_uri') ?? '',
    ...(max_age !== null && { max_age: Number(max_age) }),
    ...(acr_values !== null && { acr_values }),
  }
  removeOld()
  sessionStorage.setItem(key(form.get('state') ?? ''), JSON.stringify(begun))
}

/** Reads and removes a request. `undefined`: this tab has sent no such request, or it was answered before. */
export function takeRequest(state: string): PendingRequest | undefined {
  try {
    const text = sessionStorage.getItem(key(state))
    sessionStorage.removeItem(key(state))
    return text === null ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Sign-ins that were never finished must not fill the storage: only the newest four are kept. */
function removeOld(): void {
  const old = Object.keys(sessionStorage).filter((name) => name.startsWith(key('')))
  for (const name of old.slice(0, Math.max(0, old.length - 4))) sessionStorage.removeItem(name)
}
