import { type Case, holds, refuses } from './case.js'

/** The demo: the threat model’s D. */
export const demoCases: readonly Case[] = [
  refuses('D-01', 'the demo off loopback'),
  refuses('D-02', 'the demo in production'),
  holds('D-03', 'security headers on every page'),
  holds(
    'D-04',
    'a script in the page reaches no refresh token and no cookie; the access token is the documented residual',
  ),
  holds('D-05', 'a script in the page, in proxy mode: no token anywhere, only calls through the page'),
  refuses(
    'D-06',
    'what a text in a tool’s data tells an agent to do: it waits or is refused, nothing is done, a row says so',
  ),
  refuses('D-07', 'secrets in the repository'),
  holds('D-08', 'secrets in the demo’s output'),
]
