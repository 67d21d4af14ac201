import { readIssued } from '../controls.js'
import { byId, plural, setText } from '../dom.js'
import { askAsThePageDoes, type Finding, hunt } from './index.js'

/** Hunts, and says what came of it: place by place, and in a few sentences. */
export async function report(provoke: () => Promise<void>): Promise<void> {
  const issued = await readIssued()
  const findings = await hunt(issued, provoke)
  const residual = await askAsThePageDoes()
  const list = byId('places')
  list.replaceChildren(...findings.map(line))
  if (residual) list.append(row('asking as the page does', residual.names.join(', '), 'known'))

  const bad = findings.filter(({ tokens }) => tokens > 0).map(({ place }) => place)
  const lying = bad.length
    ? `There are tokens in ${plural(bad.length, 'place')}: ${bad.join('; ')}.`
    : `No token lies in any of ${findings.length} kinds of places.`
  const asking = residual
    ? ` What this mode leaves: a script that asks the backend as the page does gets an access token, good for ${residual.seconds} s; never a refresh token or an ID Token.`
    : ''
  setText('happened', lying + asking)
  byId('hunted').hidden = false
}

function line({ place, tokens, codes }: Finding): HTMLElement {
  if (tokens) return row(place, plural(tokens, 'token'), 'bad')
  // The browser's timing list keeps the address that a sign-in came back with; no script can take it out.
  return codes ? row(place, `${plural(codes, 'spent code')}, until reload`, 'known') : row(place, 'nothing', 'good')
}

function row(place: string, result: string, kind: 'good' | 'bad' | 'known'): HTMLElement {
  const item = document.createElement('li')
  const outcome = document.createElement('b')
  item.dataset['kind'] = kind
  outcome.textContent = result
  item.append(place, ' ', outcome)
  return item
}
