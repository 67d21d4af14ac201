// The same page for every library: `contestant` is the one that is measured.
import { open } from 'contestant'

const settings = JSON.parse(sessionStorage.getItem('bench') ?? '{}')
const { start, login, getToken } = open(settings)

/** What the measurement asks. */
globalThis.bench = {
  login,
  getToken,
  /** Whether somebody is signed in, and after how many milliseconds since the navigation there was a token. */
  ready: start().then(async (signedIn) => {
    if (signedIn) await getToken()
    return { signedIn, at: performance.now() }
  }),
  /** Microseconds per call, a hundred at once and one after another, beside an `async` function that returns the same. */
  async compare(times) {
    const value = await getToken()
    const bare = async () => value
    const time = async (work, atOnce, turns) => {
      const before = performance.now()
      for (let turn = 0; turn < turns; turn++) {
        const calls = []
        for (let at = 0; at < atOnce; at++) calls.push(work())
        await Promise.all(calls)
      }
      return ((performance.now() - before) / turns / atOnce) * 1000
    }
    const middle = async (atOnce, turns) => {
      const rounds = []
      for (let round = 0; round < 9; round++)
        rounds.push([await time(bare, atOnce, turns), await time(getToken, atOnce, turns)])
      return [0, 1].map((index) => rounds.map((round) => round[index]).sort((a, b) => a - b)[4])
    }
    return { together: await middle(100, times), single: await middle(1, times * 50) }
  },
  /** How many of so many calls at once got a token. */
  async together(calls) {
    const outcomes = await Promise.allSettled(Array.from({ length: calls }, () => getToken()))
    const got = outcomes.filter(({ status, value }) => status === 'fulfilled' && value)
    return { got: got.length, different: new Set(got.map(({ value }) => value)).size }
  },
}
