import { race } from './ledger-race.js'

race('redis')
