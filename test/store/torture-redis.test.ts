import { torture } from './torture.js'

torture('redis')
