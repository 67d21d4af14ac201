import type { Settings } from '../settings.js'

type Configuration = Pick<Settings, 'basePath' | 'mode' | 'routes' | 'store'>

/** Endpoints that only some configurations have, and what is missing for them. */
const conditional: readonly (readonly [
  path: RegExp,
  needs: string,
  isMissing: (settings: Configuration) => boolean,
])[] = [
  [/^\/(login|callback)(\/|$)/, 'mode: "proxy"', ({ mode }) => mode !== 'proxy'],
  [/^\/api(\/|$)/, 'mode: "proxy" and "routes"', ({ mode, routes }) => mode !== 'proxy' || !routes.size],
  [/^\/(transaction|token)$/, 'mode: "token-mediating"', ({ mode }) => mode === 'proxy'],
  [/^\/(sessions|backchannel-logout|frontchannel-logout)(\/|$)/, 'a "store"', ({ store }) => !store],
]

/** Why there is probably no endpoint at a path. Does not repeat the path. */
export function unknownEndpoint(path: string, settings: Configuration): string {
  const { basePath } = settings
  if (path !== basePath && !path.startsWith(`${basePath}/`))
    return `There is no such endpoint: all endpoints are under ${basePath}, and this path is not. Probably the handler is mounted at another path than "basePath", or a proxy removes a part of the path.`
  const below = path.slice(basePath.length)
  const [, needs] = conditional.find(([pattern, , isMissing]) => pattern.test(below) && isMissing(settings)) ?? []
  return needs === undefined
    ? `There is no such endpoint under ${basePath}: bff.describe() lists the endpoints.`
    : `There is no such endpoint: it needs ${needs} in the options of the backend.`
}
