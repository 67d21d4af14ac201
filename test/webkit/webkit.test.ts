import { describe } from 'vitest'
import { pageSuite } from '../engines/page.js'
import { launchWebKit } from './webdriver.js'

describe('WebKit', () => pageSuite(launchWebKit))
