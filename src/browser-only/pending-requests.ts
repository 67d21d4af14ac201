/** What an authorization request was made with; the answer is held against it, once. */
export interface PendingRequest {
  nonce: string
  redirect_uri: string
  max_age?: number
  acr_values?: string
}

const key = (state: string) => `sallyport-browser-only.${state}`

/** Keeps a request in this tab until its answer. Nothing in it opens anything: the verifier is oidc-client-ts's to keep. */
export function keepRequest(form: URLSearchParams): void {
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

/** `undefined`: this tab has made no such request, or its answer was here already. */
export function takeRequest(state: string): PendingRequest | undefined {
  try {
    const text = sessionStorage.getItem(key(state))
    sessionStorage.removeItem(key(state))
    return text === null ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Sign-ins that were never finished must not fill the storage: the newest four are enough. */
function removeOld(): void {
  const old = Object.keys(sessionStorage).filter((name) => name.startsWith(key('')))
  for (const name of old.slice(0, Math.max(0, old.length - 4))) sessionStorage.removeItem(name)
}
