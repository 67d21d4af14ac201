import { createAuth } from 'sallyport'
import { createBff } from 'sallyport/bff'
import { describe, expect, it } from 'vitest'
import { goTo, load, redirectUrl } from '../client/page.js'
import { type World, world } from '../world.js'
import { fileOf, unpack } from './release.js'

const earlier = unpack('0.2.0')
const { createAuth: earlierAuth } = (await import(fileOf(earlier, 'sallyport'))) as { createAuth: typeof createAuth }
const { createBff: earlierBff } = (await import(fileOf(earlier, 'sallyport/bff'))) as { createBff: typeof createBff }

const releases = [
  ['the page of 0.2.0 with the backend of this release', earlierAuth, createBff],
  ['the page of this release with the backend of 0.2.0', createAuth, earlierBff],
] as const

describe.each(releases)('%s', (_, page, backend) => {
  const open = ({ tab }: World, it: World) => load(tab, {}, it, page)

  it('signs in, renews, asks who is here, and signs out', async () => {
    const it = await world({ createBff: backend })
    const before = open(it, it)
    expect(await before.auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
    before.auth.login().catch(() => {})
    const { url } = await it.tab.navigate(await redirectUrl())
    before.auth.close()
    goTo(url)
    const after = open(it, it)
    expect(await after.auth.ready()).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    const token = await after.auth.getToken()
    it.advance(290)
    expect(await after.auth.getToken()).not.toBe(token)
    expect(it.as.grants.refresh_token).toBe(1)
    const reloaded = open(it, it)
    expect(await reloaded.auth.ready()).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    await reloaded.auth.logout({ local: true })
    expect(reloaded.auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    expect(await open(it, it).auth.ready()).toMatchObject({ status: 'signed-out' })
  })

  it('knows who has signed in by navigation, in proxy mode', async () => {
    const it = await world({ createBff: backend, mode: 'proxy' })
    await it.tab.navigate('https://app.example.com/bff/login')
    expect(await open(it, it).auth.ready()).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
  })
})
