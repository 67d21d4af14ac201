/** Types for the parts of oidc-provider 9 that the demo uses; the package has no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

  export interface Context {
    type: string
    body: unknown
    oidc: {
      params?: Record<string, string | undefined>
      client?: { clientId: string; clientName?: string }
      entities: Record<string, unknown>
      session?: { accountId?: string }
    }
    req: IncomingMessage
    res: ServerResponse
  }

  export interface Interaction {
    uid: string
    grantId?: string
    params: Record<string, string | undefined>
    prompt: {
      name: string
      details: {
        missingOIDCScope?: string[]
        missingOIDCClaims?: string[]
        missingResourceScopes?: Record<string, string[]>
      }
    }
    session?: { accountId: string }
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    addOIDCClaims(claims: string[]): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }

  export type Result =
    | { login: { accountId: string } }
    | { consent: { grantId: string } }
    | { error: string; error_description: string }

  export const errors: { InvalidTarget: new () => Error }

  export class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>)
    readonly Grant: {
      new (properties: { accountId: string; clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    callback(): RequestListener
    interactionDetails(req: IncomingMessage, res: ServerResponse): Promise<Interaction>
    interactionFinished(
      req: IncomingMessage,
      res: ServerResponse,
      result: Result,
      options?: { mergeWithLastSubmission: boolean },
    ): Promise<void>
    on(event: 'grant.success', listener: (ctx: Context) => void): this
    on(event: 'authorization.success', listener: (ctx: Context, out: Record<string, string>) => void): this
    on(event: 'server_error', listener: (ctx: Context, error: Error) => void): this
  }
}
