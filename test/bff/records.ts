import type { RecordId, RecordStore } from 'sallyport/store'
import { createCookieKeys } from '../../src/bff/sealing/cookie-keys.js'
import { createSealedRecords } from '../../src/bff/sealing/sealed-records.js'
import { createSessionRecords } from '../../src/bff/sessions/stored/session-records.js'
import type { Settings } from '../../src/bff/settings.js'
import { appOf, appStore } from '../../src/bff/store/app-store.js'
import { APP } from '../world.js'

/** The records of an app as the backend itself writes them: with its keys, its name and its origin. */
export function recordsOf(
  store: RecordStore,
  {
    cookieKeys,
    now,
    name = 'sallyport',
    origin = APP,
  }: { cookieKeys: string[]; now: () => number; name?: string; origin?: string },
) {
  const settings = { cookieKeys, now, name, origin, absoluteTimeout: 604_800, emit: () => {} } as unknown as Settings
  const sealed = createSealedRecords(createCookieKeys(settings))
  const own = appStore(store, appOf(settings))
  return { sealed, own, sessions: createSessionRecords(own, sealed, settings) }
}

/** A store, and every value that was ever written to it, by kind. */
export function recorded(store: RecordStore) {
  const written: { id: RecordId; value: string }[] = []
  const watched: RecordStore = {
    ...store,
    async write(changes) {
      const done = await store.write(changes)
      if (done) for (const change of changes) if (change.type === 'put') written.push(change)
      return done
    },
  }
  return { store: watched, written, of: (kind: string) => written.filter(({ id }) => id.kind.split('.')[0] === kind) }
}
