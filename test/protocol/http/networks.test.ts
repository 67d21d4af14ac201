import { describe, expect, it } from 'vitest'
import { rateLimitNetwork } from '../../../src/protocol/http/networks.js'

describe('rateLimitNetwork()', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
    ['[nonsense', '[nonsense'],
    ['::nonsense', '::nonsense'],
  ])('counts %s as %s', (address, network) => {
    expect(rateLimitNetwork(address)).toBe(network)
  })
})
