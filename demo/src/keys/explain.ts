/** Explains a response of the API to the owner of the key, by status and `error`. */
export function explainAnswer(status: number, error: string | undefined, retryAfter: string | null): string {
  if (status === 200) return 'The key is valid and may read: these are the notes of its owner only.'
  if (status === 201) return 'The key is valid and may write: the note is in your list.'
  const words = error === undefined ? undefined : sentences[error]
  if (status === 429)
    return `${words ?? 'Too many calls.'} Call again in ${retryAfter ?? 'some'} seconds; an earlier call gets the same response.`
  if (words) return words
  if (status >= 500)
    return `The API is temporarily unavailable. The key may be valid: try again in ${retryAfter ?? 'a few'} seconds.`
  return 'The API refused the call. Its documentation explains this code.'
}

const sentences: Record<string, string> = {
  missing_credentials:
    'The call had no credential. WWW-Authenticate lists the schemes that the API accepts; a key in X-API-Key needs none.',
  invalid_token: 'This does not have the form of a key, so it was checked as an access token, and is not valid here.',
  invalid_request:
    'Send a key in a header only. A URL stays in histories and logs: if this was a real key, revoke it now.',
  invalid_api_key:
    'Unknown, mistyped, or revoked: the response is the same, so it does not reveal which keys exist. Check the list above, and create another key.',
  api_key_expired: 'The key is correct but expired. Create another, or next time rotate it earlier.',
  quota_exceeded: 'The key is valid, but has used all its calls of this minute or day.',
  insufficient_scope:
    'The key is valid, but lacks the scope for this call. Scopes of a key never change: create a key with that scope.',
  credential_not_accepted: 'Keys are not accepted here: this is for signed-in users.',
  access_denied: 'The key is valid, but this action is not permitted.',
}
