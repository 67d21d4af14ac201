import { describe } from 'vitest'
import { launchFirefox } from '../engines/firefox.js'
import { pageSuite } from '../engines/page.js'

describe('Firefox', () => pageSuite(launchFirefox))
