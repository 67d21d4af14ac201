import type { World, WorldOptions } from '../../world.js'

/**
 * How one provider differs from the others. To add one, add a row to a table of this folder (`tokens.ts`, or a new file that
 * `dialects.test.ts` lists). Each row is run in both modes and with both homes of sessions: a sign-in, then three refreshes, an hour
 * apart. What is special about the row goes into `check`, which runs after the sign-in.
 */
export interface Dialect {
  /** The provider or product, with its version if that matters. */
  name: string
  /** What it does. */
  quirk: string
  /** What must happen. */
  must: string
  /** Only in this mode. Default: in both. */
  mode?: 'proxy'
  /** Options of `createBff()`, as somebody would set them for this provider. */
  options?: WorldOptions
  /** Options of `mockAuthorizationServer()`. */
  provider?: Record<string, unknown>
  /** Makes the mock provider do it. Called before the first request. */
  speak?: (here: World) => void | Promise<void>
  /** The `error` of a sign-in that must fail. Default: it succeeds, and so do the refreshes. */
  refused?: string
  /** Further expectations. */
  check?: (here: Signing) => Promise<void>
}

/** A world in which somebody has signed in, or has been refused. */
export interface Signing extends World {
  /** What the page knows: the response of `GET /session`. */
  session(): Promise<{ user: { sub: string } | null; expires_at: number | null; reason?: string }>
  /** Signs in once more in the same tab. Resolves to the `error`, if there was one. */
  again(): Promise<string | undefined>
  /** The page's next access token, or the API call of the proxy. Resolves to the status. */
  refresh(): Promise<number>
}
