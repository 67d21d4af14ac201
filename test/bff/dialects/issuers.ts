import { expect } from 'vitest'
import { ISSUER } from '../../world.js'
import type { Dialect } from './dialect.js'

const METADATA = `${ISSUER}/.well-known/openid-configuration`
const TENANT = '1f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'
const TEMPLATE = `${ISSUER}/{tenantid}/v2.0`

/** The provider calls itself so, in its document, in ID Tokens and in authorization responses. */
const callsItself =
  (issuer: string, iss: string, more: object = {}): Required<Dialect>['speak'] =>
  ({ as }) => {
    as.tamper.metadata = (json) => ({ ...json, issuer, authorization_response_iss_parameter_supported: false })
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, iss, ...more }, header })
    as.tamper.authorizationResponse = (parameters) => {
      parameters.delete('iss')
      return parameters
    }
  }

/** Where the metadata document is, and how the issuer is spelled. */
export const issuers: readonly Dialect[] = [
  {
    name: 'Azure AD B2C',
    quirk: 'has the document of a policy elsewhere than below its issuer',
    must: 'reads it at metadataUrl',
    options: { issuer: `https://acme.b2clogin.example/${TENANT}/v2.0/`, metadataUrl: METADATA },
    speak: callsItself(
      `https://acme.b2clogin.example/${TENANT}/v2.0/`,
      `https://acme.b2clogin.example/${TENANT}/v2.0/`,
    ),
  },
  {
    name: 'Keycloak in a container',
    quirk: 'has another name inside the network, and another issuer than the configured one',
    must: 'refuses its document',
    options: { issuer: 'https://login.example.com/realms/acme', metadataUrl: METADATA },
    speak: callsItself('https://login.example.com/realms/acme/', 'https://login.example.com/realms/acme'),
    refused: 'issuer_mismatch',
  },
  {
    name: 'A provider',
    quirk: 'has an issuer that is no URL',
    must: 'compares it character for character',
    options: { issuer: 'urn:example:login', metadataUrl: METADATA },
    speak: callsItself('urn:example:login', 'urn:example:login'),
  },
  {
    name: 'Microsoft Entra ID',
    quirk: 'has one document for all tenants, and an issuer for each',
    must: 'makes sessions of an allowed tenant’s issuer',
    options: { issuer: TEMPLATE, metadataUrl: METADATA, tenants: [TENANT] },
    speak: callsItself(TEMPLATE, `${ISSUER}/${TENANT}/v2.0`, { tid: TENANT }),
    check: async ({ events }) => {
      const iss = `${ISSUER}/${TENANT}/v2.0`
      expect(events).toContainEqual(expect.objectContaining({ type: 'signed_in', iss, sub: 'alice' }))
    },
  },
  {
    name: 'Microsoft Entra ID',
    quirk: 'signs in somebody of any other tenant',
    must: 'refuses them',
    options: { issuer: TEMPLATE, metadataUrl: METADATA, tenants: ['2f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'] },
    speak: callsItself(TEMPLATE, `${ISSUER}/${TENANT}/v2.0`, { tid: TENANT }),
    refused: 'id_token_invalid',
  },
]
