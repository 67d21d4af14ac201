/** Stands for the id of a tenant in the issuer of many tenants, as Microsoft Entra ID writes it. */
const PLACE = '{tenantid}'

/** The id of a tenant is a GUID. There must be one spelling, because it is part of the issuer. */
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export const isTenantId = (value: unknown): value is string => typeof value === 'string' && GUID.test(value)

/** Whether an issuer has a place for the id of a tenant. */
export const isTemplate = (issuer: string): boolean => issuer.split(PLACE).length === 2

/** Which tenants may sign in: a list of their ids, or a function that decides. */
export type Tenants =
  | readonly string[]
  | ((tid: string, claims: Readonly<Record<string, unknown>>) => boolean | Promise<boolean>)

/** The issuer of a provider: one, or that of any tenant. */
export function createIssuer({ issuer, tenants }: { issuer: string; tenants?: Tenants | undefined }) {
  const template = isTemplate(issuer)
  const [before = '', after = ''] = issuer.split(PLACE)

  /** The id of the tenant in an `iss`; `undefined` if the template has another form. */
  function tenantOf(iss: string): string | undefined {
    const tid = iss.slice(before.length, iss.length - after.length)
    return isTenantId(tid) && before + tid + after === iss ? tid : undefined
  }

  /** Whether an `iss` can be of this provider, for a template: of a tenant that is not excluded by the list. */
  function matches(iss: string | undefined): boolean {
    if (!template || iss === undefined) return iss === issuer
    const tid = tenantOf(iss)
    return tid !== undefined && (!Array.isArray(tenants) || tenants.includes(tid))
  }

  return {
    isTemplate: template,
    matches,
    /**
     * What the `iss` of a token may be, given what it is before the token is verified. The template itself is no issuer. Not
     * checked: whether the tenant may sign in.
     */
    expected: (iss: unknown): string[] =>
      !template ? [issuer] : typeof iss === 'string' && tenantOf(iss) !== undefined ? [iss] : [],
    /** Whether the own `tid` of an ID Token is the tenant of its `iss`. */
    isOwnTenant: ({ iss, tid }: Readonly<Record<string, unknown>>): boolean =>
      !template || (typeof iss === 'string' && isTenantId(tid) && tenantOf(iss) === tid),
  }
}
