import { afterEach } from 'vitest'
import { runTasks } from './after-each.js'

/** Before each file of the tests. */
afterEach(runTasks)
