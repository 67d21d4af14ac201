/** What an answer of the API means to who holds the key, in a sentence or two: by its status and its `error`. */
export function explainAnswer(status: number, error: string | undefined, retryAfter: string | null): string {
  if (status === 200) return 'The key is good and may read: these are the notes of its owner, and of nobody else.'
  if (status === 201) return 'The key is good and may write: the note is among yours.'
  const words = error === undefined ? undefined : sentences[error]
  if (status === 429)
    return `${words ?? 'Too many calls.'} Call again in ${retryAfter ?? 'some'} seconds; sooner only gets the same answer.`
  if (words) return words
  if (status >= 500)
    return `The API cannot tell at the moment. That says nothing about the key: try again in ${retryAfter ?? 'a few'} seconds.`
  return 'The API says no. Its documentation knows what this code means.'
}

const sentences: Record<string, string> = {
  missing_credentials:
    'Nobody said who is calling. WWW-Authenticate says which schemes the API takes; a key in X-API-Key needs none.',
  invalid_token: 'This is no key of ours, so it was read as an access token, and is none that is good here.',
  invalid_request:
    'A key travels in a header, alone. In a URL it stays in histories and logs: had this been a real one in use, revoke it now.',
  invalid_api_key:
    'Unknown, mistyped, or revoked: the answer is the same, so nobody learns which keys exist. Look in the list above which it was, and create another.',
  api_key_expired: 'The key was right, and is past its end. Create another, or next time rotate before.',
  quota_exceeded: 'The key is good and has had all its calls of this minute or day.',
  insufficient_scope:
    'The key is good and lacks the scope for this call. Scopes of a key never change: create one that has it.',
  credential_not_accepted: 'Keys are not taken here: this is for a person who is signed in.',
  access_denied: 'The key is good, and this is not allowed.',
}
