import type { AuthOptions } from './types.js'

/** An address of ours as an absolute URL. @throws TypeError naming the option */
export function absolute(
  options: Pick<AuthOptions, 'bff' | 'redirect_uri'>,
  name: 'bff' | 'redirect_uri',
  standard: string,
): string {
  const url = new URL(options[name] ?? standard, location.href)
  if (url.search || url.hash || (name !== 'bff' && url.origin !== location.origin))
    throw new TypeError(`createAuth: "${name}" must be a plain path`)
  return url.href
}
