import { pageOptions } from '../client/shapes.js'
import { flag, list, object, optional, seconds, table, text, words } from '../protocol/shape.js'
import type { BrowserOnlyAuthOptions } from './index.js'

export const browserOnlyOptions = object<BrowserOnlyAuthOptions<unknown>>({
  ...pageOptions,
  issuer: text,
  client_id: text,
  scope: optional(words),
  apis: optional(
    table(object<{ resource?: string; scope?: string }>({ resource: optional(text), scope: optional(words) })),
  ),
  dpop: optional(flag),
  post_logout_redirect_uri: optional(text),
  idTokenAlgs: optional(list(text, 1)),
  clockTolerance: optional(seconds({ least: 0 })),
})
