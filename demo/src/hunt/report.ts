import { readIssued } from '../controls.js'
import { byId, plural, setText } from '../dom.js'
import { keepLeft } from '../left.js'
import { type Finding, hunt } from './index.js'
import { askAsThePageDoes, type Residual } from './residual.js'

/** Searches, and shows the result: place by place, in a few sentences, and as this mode's row of the table. */
export async function report(provoke: () => Promise<void>): Promise<void> {
  const findings = await hunt(await readIssued(), provoke)
  const residual = await askAsThePageDoes(readIssued)
  const bad = findings.filter(({ tokens }) => tokens > 0)
  byId('places').replaceChildren(...findings.map(line))
  const lying = bad.length
    ? `There are tokens in ${plural(bad.length, 'place')}: ${bad.map(({ place }) => place).join('; ')}.`
    : `No token was found in any of ${findings.length} kinds of places.`
  setText('happened', `${lying} ${residual ? inWords(residual) : ''}`)
  byId('hunted').hidden = false
  if (residual)
    keepLeft([
      bad.length ? plural(bad.length, 'place with tokens', 'places with tokens') : 'nothing',
      residual.tokens
        ? `${plural(residual.tokens, 'access token')}, valid for ${residual.seconds} s anywhere`
        : `no token; ${residual.calls ? 'calls, while this page is open' : 'nothing'}`,
    ])
}

const inWords = ({ tokens, seconds, calls }: Residual): string =>
  tokens
    ? `The remaining risk of this mode: a script that asks the backend as the page does gets an access token, valid for ${seconds} s, but never a refresh token or an ID Token.`
    : `The remaining risk of this mode: a script can ${calls ? 'call the API' : 'send requests'} through the backend as the page does, while the page is open. It gets no token.`

function line({ place, tokens, codes }: Finding): HTMLElement {
  if (tokens) return row(place, plural(tokens, 'token'), 'bad')
  // The browser's timing list keeps the callback URL of a sign-in; no script can remove it.
  return codes ? row(place, `${plural(codes, 'used code')}, until reload`, 'known') : row(place, 'nothing', 'good')
}

function row(place: string, result: string, kind: 'good' | 'bad' | 'known'): HTMLElement {
  const item = document.createElement('li')
  const outcome = document.createElement('b')
  item.dataset['kind'] = kind
  outcome.textContent = result
  item.append(place, ' ', outcome)
  return item
}
