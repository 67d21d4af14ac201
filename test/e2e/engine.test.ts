import { describe } from 'vitest'
import { launchChromium } from '../engines/chromium.js'
import { pageSuite } from '../engines/page.js'

describe('Chromium', () => pageSuite(launchChromium, 2))
