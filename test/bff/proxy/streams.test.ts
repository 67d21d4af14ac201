import { memoryStore, type RecordId, StoreError } from 'sallyport/store'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  API,
  APP,
  bodyOf,
  call,
  homes,
  ISSUER,
  look,
  stored,
  type World,
  type WorldOptions,
  world,
} from '../../world.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** An API whose streams go on until they are ended, and what is open there. */
function feed() {
  const open = new Set<ReadableStreamDefaultController<Uint8Array>>()
  return {
    open,
    say: (text: string) => {
      for (const controller of open) controller.enqueue(new TextEncoder().encode(text))
    },
    answer(signal: AbortSignal): Response {
      let mine: ReadableStreamDefaultController<Uint8Array>
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          mine = controller
          open.add(controller)
          signal.addEventListener('abort', () => {
            if (open.delete(controller)) controller.error(signal.reason)
          })
        },
        cancel() {
          open.delete(mine)
        },
      })
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
    },
  }
}

/** Somebody signed in, before such an API. */
async function listening(open: typeof world, options: WorldOptions = {}) {
  const api = feed()
  const here: World = await open({
    mode: 'proxy',
    routes: { events: { upstream: `${API}/v1`, sse: true } },
    fetch: async (input, init) =>
      `${input instanceof Request ? input.url : input}`.startsWith(ISSUER)
        ? here.as.fetch(input, init)
        : api.answer(init?.signal as AbortSignal),
    ...options,
  })
  await here.tab.navigate(`${APP}/bff/login`)
  const listen = async () => {
    const response = await here.bff.fetch(
      new Request(`${APP}/bff/api/events/feed`, {
        headers: { Cookie: here.browser.jar.header(`${APP}/`) ?? '', 'Sec-Fetch-Site': 'same-origin' },
      }),
    )
    const reader = response.body?.getReader()
    const read = async () => new TextDecoder().decode((await reader?.read())?.value)
    return { response, reader, read }
  }
  return { here, api, listen }
}

describe.each(homes)('a stream of events, with %s', (_home, open) => {
  const begun = (options: WorldOptions = {}) => listening(open, options)

  it('[C-26] is no activity, opened again and again; a call of the page is', async () => {
    const { here, listen } = await begun({ idleTimeout: 600 })
    const end = async () => (await bodyOf(await look(here.tab, '/session?touch=false'))).expires_at
    const before = await end()
    here.advance(200)
    await listen()
    await listen()
    expect(await end()).toBe(before)
    await look(here.tab, '/session')
    expect(await end()).toBe(before + 200)
  })

  it('[F-88] ends when the user signs out, and only theirs', async () => {
    const { here, api, listen } = await begun()
    const { read } = await listen()
    const over = expect(read()).rejects.toThrow()
    await call(here.tab, '/logout')
    await over
    expect(api.open.size).toBe(0)
  })

  it('[F-88] ends when the time of the session is over: an open stream is no activity', async () => {
    const { here, api, listen } = await begun()
    const { read } = await listen()
    const over = expect(read()).rejects.toThrow()
    for (let hours = 0; hours < 25; hours++) {
      here.advance(3600)
      await vi.advanceTimersByTimeAsync(5000)
    }
    await over
    expect(api.open.size).toBe(0)
  })

  it('[F-88] ends when somebody else signs in with this browser', async () => {
    const { here, listen } = await begun()
    const { read } = await listen()
    const over = expect(read()).rejects.toThrow()
    here.as.signIn('bob')
    await here.tab.navigate(`${APP}/bff/login`)
    await vi.advanceTimersByTimeAsync(5000)
    await over
  })

  it('[F-88 twin] goes on past the end of its token', async () => {
    const { here, api, listen } = await begun()
    const { read } = await listen()
    here.advance(3600)
    await vi.advanceTimersByTimeAsync(60_000)
    api.say('still here')
    expect(await read()).toBe('still here')
    expect(here.as.grants.refresh_token).toBe(0)
  })

  it('is looked after no more when it is over, whoever ended it', async () => {
    const { here, api, listen } = await begun()
    const first = await listen()
    await first.reader?.cancel()
    expect(api.open.size).toBe(0)
    const second = await listen()
    for (const controller of api.open) controller.close()
    expect((await second.reader?.read())?.done).toBe(true)
    // Nothing is left that a timer would look at.
    await vi.advanceTimersByTimeAsync(5000)
    expect(vi.getTimerCount()).toBe(0)
    await here.bff.close()
  })
})

describe('a stream of events of several processes', () => {
  const clock = () => 1_790_000_000

  it('[F-88] ends within seconds when another process ends the session', async () => {
    const { here, listen } = await listening(stored)
    const { read } = await listen()
    const over = expect(read()).rejects.toThrow()
    await here.another().endSessions({ sub: 'alice' })
    await vi.advanceTimersByTimeAsync(5000)
    await over
  })

  it('[F-88 twin] goes on while the store is down, and ends when it is back and knows better', async () => {
    const whole = memoryStore({ now: clock })
    let down = false
    const store = {
      ...whole,
      get: async (id: RecordId) => {
        if (down) throw new StoreError()
        return whole.get(id)
      },
    }
    const { here, api, listen } = await listening(world, { store })
    const { read } = await listen()
    down = true
    await vi.advanceTimersByTimeAsync(30_000)
    api.say('still here')
    expect(await read()).toBe('still here')
    const over = expect(read()).rejects.toThrow()
    await here.another({ store: whole }).endSessions({ sub: 'alice' })
    await vi.advanceTimersByTimeAsync(5000)
    expect(api.open.size).toBe(1)
    down = false
    here.advance(60)
    await vi.advanceTimersByTimeAsync(5000)
    await over
  })
})
