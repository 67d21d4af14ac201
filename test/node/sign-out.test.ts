import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { toNodeListener } from 'sallyport/node'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { APP, bodyOf, homes, look, signIn, type World } from '../world.js'

const closing: Array<() => void> = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of closing.splice(0)) close()
})

/** A backend in Node, alice signed in, and a socket over which anything may be said in her name. */
async function overASocket(it: World) {
  await signIn(it.tab)
  const server = createServer(toNodeListener(it.bff))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  )
  const socket: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let heard = ''
  let broken: Error | undefined
  socket.setEncoding('latin1').on('data', (text) => {
    heard += text
  })
  socket.on('error', (error) => {
    broken = error
  })
  closing.push(() => socket.destroy())
  const say = (framing: string, body: string) =>
    socket.write(
      `POST /bff/logout HTTP/1.1\r\nHost: app.example.com\r\nSallyport-CSRF: 1\r\nOrigin: ${APP}\r\nCookie: ${it.browser.jar.header(`${APP}/`)}\r\nContent-Type: application/x-www-form-urlencoded\r\n${framing}\r\n\r\n${body}`,
    )
  return { socket, say, heard: () => heard, broken: () => broken }
}

const gone = (it: World) =>
  vi.waitFor(async () => expect(await bodyOf(await look(it.tab, '/session'))).toMatchObject({ user: null }))

const answered = (heard: () => string) =>
  vi.waitFor(() => {
    expect(heard()).toMatch(/^HTTP\/1\.1 200 /)
    expect(heard()).toContain('{"location":"/bff/logout/continue"}')
  })

const chunk = (length: number) => `${length.toString(16)}\r\n${'a'.repeat(length)}\r\n`

describe.each(homes)('a sign-out in Node, with %s', (_home, world) => {
  it('[B-37] waits for no end of a body that has none', async () => {
    const it = await world()
    const { say, socket, heard, broken } = await overASocket(it)
    say('Transfer-Encoding: chunked', chunk(10_000))
    socket.write(chunk(10_000))
    await answered(heard)
    await gone(it)
    expect(broken()).toBeUndefined()
  })

  it('[B-37] does not read one that is said to be too long', async () => {
    const it = await world()
    const { say, heard, broken } = await overASocket(it)
    say('Content-Length: 20000', 'everywhere=true')
    await answered(heard)
    await gone(it)
    expect(broken()).toBeUndefined()
  })

  it.each([
    ['of a stated length', 'Content-Length: 100', 'everywhere='],
    ['in pieces', 'Transfer-Encoding: chunked', chunk(3)],
  ])(
    '[B-37] ends the session though the body, %s, stops coming, and answers in a while',
    async (_how, framing, body) => {
      const it = await world()
      const { say, heard } = await overASocket(it)
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      say(framing, body)
      for (;;) {
        if ((await bodyOf(await look(it.tab, '/session'))).user === null) break
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(heard()).toBe('')
      await vi.advanceTimersByTimeAsync(3000)
      vi.useRealTimers()
      await answered(heard)
    },
  )

  it.each([
    ['of a stated length', 'Content-Length: 100', 'everywhere='],
    ['in pieces', 'Transfer-Encoding: chunked', chunk(3)],
  ])('[B-37] ends the session though whoever asked, %s, is cut off', async (_how, framing, body) => {
    const it = await world()
    const { say, socket } = await overASocket(it)
    say(framing, body)
    socket.destroySoon()
    await gone(it)
  })

  it('[B-37 twin] does what a whole body says', async () => {
    const it = await world()
    const there = it.device()
    await signIn(there)
    const { say, socket, heard } = await overASocket(it)
    say('Transfer-Encoding: chunked', '')
    for (const piece of ['every', 'where=', 'true']) socket.write(`${piece.length}\r\n${piece}\r\n`)
    socket.write('0\r\n\r\n')
    await vi.waitFor(() => expect(heard()).toMatch(/^HTTP\/1\.1 200 /))
    await gone(it)
    const { user } = await bodyOf(await look(there, '/session'))
    if (_home === 'a store') expect(user).toBeNull()
    else expect(heard()).toContain('"everywhere":false')
  })
})
