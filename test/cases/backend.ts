import { type Case, refuses } from './case.js'

/** The backend: the threat model’s B. */
export const backendCases: readonly Case[] = [
  refuses('B-01', 'a code from a browser that began nothing'),
  refuses('B-02', 'a state that is not the sealed one'),
  refuses('B-04', 'a planted session cookie'),
  refuses('B-05', 'a copied cookie after sign-out'),
  refuses('B-08', 'requests that our own page did not make'),
  refuses('B-09', 'GET and HEAD where something would change'),
  refuses('B-10', 'answers in shared caches'),
  refuses('B-11', 'cookies without their attributes'),
  refuses('B-12', 'cookies that are tampered with, or junk'),
  refuses('B-13', 'parallel renewals make one grant'),
  refuses('B-14', 'invalid_grant ends the session'),
  refuses('B-15', 'an outage of the provider keeps it'),
  refuses('B-16', 'the page sees listed claims and no other token'),
  refuses('B-20', 'a foreign target after sign-out'),
  refuses('B-21', 'missing, short and sample keys'),
  refuses('B-22', 'an error is never a session'),
  refuses('B-23', 'a foreign origin gets no CORS'),
  refuses('B-24', 'a session past its limits'),
  refuses('B-26', 'fifty calls with an expired session'),
  refuses('B-27', 'a code carried off to another browser'),
  refuses('B-28', 'a slow old answer brings nothing back'),
  refuses('B-29', 'a sign-in that is run through in another browser: succeeds here, and the documents say so'),
]
