/** Accepted signature algorithms of DPoP proofs. */
export const proofAlgs = ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256']
