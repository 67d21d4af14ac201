/** The claims of an access token as it should be. */
export const goodClaims = (iss: string, aud: string, time: number) => ({
  iss,
  aud,
  sub: 'alice',
  client_id: 'notes',
  scope: 'notes:read',
  iat: time,
  exp: time + 300,
  jti: 'x',
})
