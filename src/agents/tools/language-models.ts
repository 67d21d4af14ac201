import { agentError } from '../errors.js'
import { isAmount } from '../limits.js'

/** The cost of one unit by model, or a function for the cost of a number of units. Default 1, for all models. */
type Rates = Readonly<Record<string, number>> | ((model: string, units: number) => number)

export interface ModelsOptions {
  /** All models that may be called, by the provider's name, and their tiers: `{ 'gpt-pro': 'premium' }`. */
  tiers?: Readonly<Record<string, string>>
  /** Other names of these models. */
  aliases?: Readonly<Record<string, string>>
  /** The scope that a tier needs. Default `model:<tier>`. */
  tierScopes?: Readonly<Record<string, string>>
  rates?: Rates
}

/** A model by the provider's name, and the scope that it needs. */
export interface Model {
  name: string
  tier: string
  scope: string
}

/**
 * Resolves names of models. The same resolved name is used for checks, costs and the call.
 *
 * @throws TypeError naming the option
 */
export function createModels({ tiers = {}, aliases = {}, tierScopes = {}, rates }: ModelsOptions) {
  const models = new Map<string, Model>()

  function add(name: string, canonical: string): void {
    const tier = Object.hasOwn(tiers, canonical) ? tiers[canonical] : undefined
    if (tier === undefined) throw new TypeError(`createToolAccess: "aliases" calls ${canonical}, which "tiers" has not`)
    if (models.has(normalized(name)))
      throw new TypeError(`createToolAccess: "tiers" and "aliases" have two models of the name ${name}`)
    const scope = Object.hasOwn(tierScopes, tier) ? tierScopes[tier] : undefined
    models.set(normalized(name), { name: canonical, tier, scope: scope ?? `model:${tier}` })
  }
  for (const name of Object.keys(tiers)) add(name, name)
  for (const [name, canonical] of Object.entries(aliases)) add(name, canonical)

  return {
    /** @throws SallyportError `model_denied` */
    resolve(name: string): Model {
      const model = typeof name === 'string' ? models.get(normalized(name)) : undefined
      if (!model) throw agentError('model_denied', { because: 'unknown' })
      return model
    },

    /** The cost of `units`; `undefined` if it is not known. */
    cost(model: Model | undefined, units: number): number | undefined {
      if (!isAmount(units)) return undefined
      const cost = Math.ceil(model && rates ? costOf(rates, model.name, units) : units)
      return isAmount(cost) ? cost : undefined
    },
  }
}

/** A model without a rate is not free: its cost is not known. */
function costOf(rates: Rates, model: string, units: number): number {
  if (typeof rates === 'function') return rates(model, units)
  return (Object.hasOwn(rates, model) ? (rates[model] ?? Number.NaN) : Number.NaN) * units
}

const normalized = (name: string): string => name.trim().toLowerCase()
