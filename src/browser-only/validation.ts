import { pageOptions } from '../client/validation.js'
import { anyText, bool, list, mapOf, object, optional, seconds, text } from '../protocol/shape.js'
import type { BrowserOnlyAuthOptions } from './index.js'

export const browserOnlyOptions = object<BrowserOnlyAuthOptions<unknown>>({
  ...pageOptions,
  issuer: text,
  metadataUrl: optional(text),
  client_id: text,
  scope: optional(anyText),
  apis: optional(
    mapOf(object<{ resource?: string; scope?: string }>({ resource: optional(text), scope: optional(anyText) })),
  ),
  dpop: optional(bool),
  post_logout_redirect_uris: optional(list(text, 1)),
  endSessionParams: optional(mapOf(text)),
  idTokenAlgs: optional(list(text, 1)),
  clockTolerance: optional(seconds({ least: 0 })),
})
