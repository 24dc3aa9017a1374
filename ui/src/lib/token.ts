/** Tokens of the local HTTP endpoint: made where they are shown, so that the Host has only their digest. */

const PREFIX = 'dbl_'

/** A new token of 256 random bits, and the digest that the Host keeps of it. */
export async function newToken(): Promise<{ token: string; digest: string }> {
  const token = PREFIX + base64(crypto.getRandomValues(new Uint8Array(32)))
  return { token, digest: await digestOf(token) }
}

/** The SHA-256 digest as the Host reads it: base64url without padding. */
export async function digestOf(token: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return base64(new Uint8Array(hash))
}

function base64(bytes: Uint8Array): string {
  const plain = btoa(String.fromCharCode(...bytes))
  return plain.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}
