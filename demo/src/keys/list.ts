import { byId, make } from '../dom.js'
import { ask } from '../question.js'
import { fromNow } from '../time.js'
import type { ApiKey } from './api.js'

/** Actions for a key. They report their own failures. */
export interface KeyActions {
  /** `grace`: seconds for which the old key stays valid. */
  rotate(key: ApiKey, grace: number): Promise<void>
  revoke(key: ApiKey): Promise<void>
}

const list = byId('key-list')
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** Whether a question is open in the list: a redraw would remove it. */
export const isAsking = (): boolean => list.querySelector('[role=group]') !== null

export function drawKeys(keys: readonly ApiKey[], actions: KeyActions): void {
  list.replaceChildren(...keys.map((key) => row(key, keys, actions)))
}

/** Moves the focus to a key. */
export const focusKey = (id: string): void => document.getElementById(`key-${id}`)?.focus()

function row(key: ApiKey, keys: readonly ApiKey[], actions: KeyActions): HTMLElement {
  const { id, begins, name, scopes, state, createdAt, expiresAt, lastUsedAt, usedToday, quota } = key
  const entry = make('li', { id: `key-${id}`, tabIndex: -1 })
  entry.dataset['state'] = state
  const before = keys.find(({ replacedBy }) => replacedBy === id)
  const after = keys.find((other) => other.id === key.replacedBy)
  entry.append(
    make('h2', { id: `key-${id}-name` }, name, stateOf(key)),
    make('p', { className: 'facts' }, ...[`${begins}_…`, ...scopes].map((text) => make('code', {}, text))),
    make(
      'dl',
      {},
      term('Created', createdAt),
      state === 'revoked'
        ? term('Revoked', key.revokedAt)
        : term(state === 'expired' ? 'Expired' : 'Expires', expiresAt),
      term('Last used', lastUsedAt),
      ...(quota ? [used(usedToday, quota.day)] : []),
    ),
  )
  if (before) entry.append(make('p', { className: 'small' }, 'Replaces ', link(before)))
  if (after) entry.append(make('p', { className: 'small' }, 'Replaced by ', link(after)))
  if (state === 'active' || state === 'grace') entry.append(buttons(key, actions))
  return entry
}

function stateOf({ state, expiresAt }: ApiKey): HTMLElement {
  const words = { active: 'Active', grace: `Valid until ${exact.format(expiresAt * 1000)}`, expired: 'Expired' }
  return make('span', { className: 'badge' }, state === 'revoked' ? 'Revoked' : words[state])
}

function term(name: string, instant: number | undefined): HTMLElement {
  const what = make('dt', {}, name)
  if (instant === undefined) return make('div', {}, what, make('dd', {}, 'never'))
  const when = make('time', { dateTime: new Date(instant * 1000).toISOString() }, exact.format(instant * 1000))
  return make('div', {}, what, make('dd', {}, fromNow(instant), when))
}

function used(today: number, limit: number): HTMLElement {
  const [count, most] = [today, limit].map((calls) => calls.toLocaleString())
  return make('div', {}, make('dt', {}, 'Used today'), make('dd', {}, `${count} of ${most} calls`))
}

const link = ({ id, begins }: ApiKey): HTMLElement => make('a', { href: `#key-${id}` }, make('code', {}, `${begins}_…`))

function buttons(key: ApiKey, { rotate, revoke }: KeyActions): HTMLElement {
  const place = make('div', { className: 'choices' })
  const button = (text: string, className: string, pressed: (from: HTMLElement) => void) => {
    const made = make('button', { type: 'button', className }, text)
    made.setAttribute('aria-describedby', `key-${key.id}-name`)
    made.addEventListener('click', () => pressed(made))
    return made
  }
  const rotation = button('Rotate', '', (from) => {
    const grace = make(
      'select',
      { id: `grace-${key.id}` },
      make('option', { value: '86400' }, 'for one more day'),
      make('option', { value: '3600' }, 'for one more hour'),
      make('option', { value: '0' }, 'no longer: it has leaked'),
    )
    const label = make('label', { htmlFor: grace.id }, 'A new key replaces it. The old key is valid')
    ask({
      place,
      from,
      label: 'Rotate this key?',
      words: [label, grace],
      yes: 'Rotate now',
      className: 'primary',
      work: () => rotate(key, Number(grace.value)),
    })
  })
  const revocation = button('Revoke', 'danger', (from) => {
    const words = make(
      'span',
      {},
      'All further calls with it fail. Programs that use it stop working. This is permanent.',
    )
    ask({
      place,
      from,
      label: 'Revoke this key?',
      words: [words],
      yes: 'Revoke permanently',
      className: 'danger',
      work: () => revoke(key),
    })
  })
  if (key.state === 'active') place.append(rotation)
  place.append(revocation)
  return place
}
