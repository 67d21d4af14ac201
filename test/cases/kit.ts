import { type Case, refuses } from './case.js'

/** The testing kit: the threat model’s T. */
export const kitCases: readonly Case[] = [
  refuses('T-01', 'the kit in production'),
  refuses('T-02', 'the kit’s tokens at another issuer’s guard'),
  refuses('T-03', 'environment variables switch nothing off'),
  refuses('T-04', 'the provider is strict'),
  refuses('T-05', 'the kit opens no port'),
  refuses('T-06', 'keys are new in every run'),
  refuses('T-07', 'no worker is registered or shipped'),
  refuses('T-08', 'guards and sessions follow the injected clock'),
  refuses('T-09', 'the packed kit in production, by import or bundler'),
]
