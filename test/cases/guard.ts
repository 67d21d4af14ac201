import { type Case, refuses } from './case.js'

/** Resource servers: the threat model’s J. */
export const guardCases: readonly Case[] = [
  refuses('J-01', 'alg none, in every spelling'),
  refuses('J-02', 'HS256 keyed with the public key'),
  refuses('J-03', 'a header that widens the algorithms'),
  refuses('J-04', 'another audience, or none; a guard without one'),
  refuses('J-05', 'another issuer, or none'),
  refuses('J-06', 'a token before or after its time'),
  refuses('J-07', 'an ID Token as access token'),
  refuses('J-08', 'a flood of unknown keys makes one fetch'),
  refuses('J-09', 'a token that brings its own key'),
  refuses('J-10', 'other schemes than Bearer'),
  refuses('J-11', '403 for too little scope, 401 for no token'),
  refuses('J-12', 'a token in the query or the body'),
  refuses('J-13', 'an unknown crit'),
  refuses('J-14', 'a bound token without its proof'),
  refuses('J-15', 'a proof of something else'),
  refuses('J-16', 'a proof that was used'),
  refuses('J-17', 'no keys: cached ones until their age, then 503'),
  refuses('J-18', 'a token that is too long or too deep'),
  refuses('J-19', 'an encrypted token, whatever it wants computed'),
  refuses('J-20', 'refusals say nothing'),
  refuses('J-22', 'a sign-in of the future, or in milliseconds, as a fresh one'),
  refuses('J-25', 'a proof for another origin, sent with that Host; one that was used, at the edge of its window'),
]
