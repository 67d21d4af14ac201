import { readIssued } from '../controls.js'
import { byId, plural, setText } from '../dom.js'
import { askAsThePageDoes, hunt } from './index.js'

/** Hunts, and says what came of it: place by place, and in one sentence. */
export async function report(provoke: () => Promise<void>): Promise<void> {
  const issued = await readIssued()
  const findings = await hunt(issued, provoke)
  const residual = await askAsThePageDoes()
  const found = findings.filter((finding) => finding.found > 0)
  const list = byId('places')
  list.replaceChildren(
    ...findings.map(({ place, found }) =>
      row(place, found ? plural(found, 'token') : 'nothing', found ? 'bad' : 'good'),
    ),
    ...(residual ? [row('asking the backend as the page does', residual.names.join(', '), 'known')] : []),
  )
  const known = `the ${plural(issued.length, 'code or token', 'codes and tokens')} that the provider has issued`
  const lying = found.length
    ? `Found something in ${plural(found.length, 'place')}: ${found.map(({ place }) => place).join('; ')}.`
    : `None of ${known} lies anywhere in ${findings.length} kinds of places.`
  const asking = residual
    ? ` What remains in this mode: a script that asks as the page does gets an access token, good for ${residual.seconds} s; never a refresh token, never an ID Token.`
    : ''
  setText('happened', lying + asking)
  list.hidden = false
}

function row(place: string, result: string, kind: 'good' | 'bad' | 'known'): HTMLElement {
  const item = document.createElement('li')
  const outcome = document.createElement('b')
  item.dataset.kind = kind
  outcome.textContent = result
  item.append(place, ' ', outcome)
  return item
}
