/** Why there is no token for a resource or scope that is configured. The page reads it. */
export const refusals = {
  invalid_scope:
    'The provider refuses this scope for this session: it was not granted at sign-in. Sign in again with it, or configure its resource with atSignIn.',
  invalid_target:
    'The provider refuses this resource for this session: it was not requested at sign-in. Sign in again with it, or configure it with atSignIn.',
  moreScope: 'The provider has issued a token with more scope than requested, or does not say which. It is not used.',
  noRefreshToken:
    'The provider has issued no refresh token, so this session has only the token of its sign-in. See the event no_refresh_token.',
}
