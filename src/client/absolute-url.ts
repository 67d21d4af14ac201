import type { AuthOptions } from './types.js'

/** The option `bff` or `redirect_uri` as an absolute URL. @throws TypeError naming the option */
export function absoluteUrl(
  options: Pick<AuthOptions, 'bff' | 'redirect_uri'>,
  name: 'bff' | 'redirect_uri',
  defaultPath: string,
): string {
  const url = new URL(options[name] ?? defaultPath, location.href)
  if (url.search || url.hash || (name !== 'bff' && url.origin !== location.origin))
    throw new TypeError(`createAuth: "${name}" must be a plain path`)
  return url.href
}
