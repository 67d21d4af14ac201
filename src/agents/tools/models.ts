import { agentError } from '../errors.js'
import { isAmount } from '../limits.js'

/** What one unit of use costs on the budget, by model; or what a number of them costs. Default 1, for every model. */
type Rates = Readonly<Record<string, number>> | ((model: string, units: number) => number)

export interface ModelsOptions {
  /** Every model that may be called, by the name that its provider knows, and its tier: `{ 'gpt-pro': 'premium' }`. */
  tiers?: Readonly<Record<string, string>>
  /** Other names of these models. */
  aliases?: Readonly<Record<string, string>>
  /** The scope that a tier needs. Default `model:<tier>`. */
  tierScopes?: Readonly<Record<string, string>>
  rates?: Rates
}

/** A model by its one name, and what it takes to call it. */
export interface Model {
  name: string
  tier: string
  scope: string
}

/**
 * Which model a name means, once: what is checked, what it costs and what is called are the same text.
 *
 * @throws TypeError naming the option
 */
export function createModels({ tiers = {}, aliases = {}, tierScopes = {}, rates }: ModelsOptions) {
  const models = new Map<string, Model>()

  function add(name: string, canonical: string): void {
    const tier = Object.hasOwn(tiers, canonical) ? tiers[canonical] : undefined
    if (tier === undefined) throw new TypeError(`createToolAccess: "aliases" calls ${canonical}, which "tiers" has not`)
    if (models.has(folded(name)))
      throw new TypeError(`createToolAccess: "tiers" and "aliases" have two models of the name ${name}`)
    const scope = Object.hasOwn(tierScopes, tier) ? tierScopes[tier] : undefined
    models.set(folded(name), { name: canonical, tier, scope: scope ?? `model:${tier}` })
  }
  for (const name of Object.keys(tiers)) add(name, name)
  for (const [name, canonical] of Object.entries(aliases)) add(name, canonical)

  return {
    /** @throws SallyportError `model_denied` */
    resolve(name: string): Model {
      const model = typeof name === 'string' ? models.get(folded(name)) : undefined
      if (!model) throw agentError('model_denied', { because: 'unknown' })
      return model
    },

    /** What `units` cost on the budget; `undefined` where that cannot be said. */
    cost(model: Model | undefined, units: number): number | undefined {
      if (!isAmount(units)) return undefined
      const cost = Math.ceil(model && rates ? priced(rates, model.name, units) : units)
      return isAmount(cost) ? cost : undefined
    },
  }
}

/** A table is asked for its own members only. A model without a rate is not free: nobody knows what it costs. */
function priced(rates: Rates, model: string, units: number): number {
  if (typeof rates === 'function') return rates(model, units)
  return (Object.hasOwn(rates, model) ? (rates[model] ?? Number.NaN) : Number.NaN) * units
}

const folded = (name: string): string => name.trim().toLowerCase()
