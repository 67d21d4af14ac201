import { torture } from './torture.js'

torture('postgres')
