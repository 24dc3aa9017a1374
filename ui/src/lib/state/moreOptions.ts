/** The options that few servers need: how each stands, and how it is changed and taken back. */

import type { ResourceOption, ServerOptions, ServerView, SubjectView, Unset } from '../backend/bindings'

type Word = Extract<Unset, string>

/** An option that is a text, a choice of some words, or a secret, which is never shown. */
export interface MoreOption {
  word: Word
  kind: 'text' | 'port' | 'secret'
  choices?: readonly string[]
  /** How it stands; of a secret, whether there is one. */
  stored: (server: ServerView) => string
  /** What is asked for to set it. */
  set: (text: string) => ServerOptions
}

type Shown = (server: ServerView) => string | null

const words = (word: Word, shown: Shown, set: (text: string) => ServerOptions): MoreOption => ({
  word,
  kind: 'text',
  stored: (server) => shown(server) ?? '',
  set,
})

const choice = <C extends string>(
  word: Word,
  choices: readonly C[],
  shown: Shown,
  set: (choice: C) => ServerOptions,
): MoreOption => ({ ...words(word, shown, (text) => set(text as C)), choices })

const secret = (
  word: Word,
  has: (server: ServerView) => boolean,
  option: keyof ServerOptions,
): MoreOption => ({
  word,
  kind: 'secret',
  stored: (server) => (has(server) ? 'stored' : ''),
  set: (value) => ({ [option]: { value } }),
})

const given = (resource: ResourceOption | null) =>
  resource === 'omitted' ? 'none' : (resource?.given ?? null)

const isGiven = (subject: SubjectView) => subject !== 'none'

/** In the order of the form. */
export const MORE_OPTIONS: readonly MoreOption[] = [
  choice(
    'transport',
    ['auto', 'http', 'sse'],
    (of) => of.transport,
    (transport) => ({ transport }),
  ),
  words(
    'ca',
    (of) => of.ca,
    (ca) => ({ ca }),
  ),
  words(
    'client_cert',
    (of) => of.clientCert,
    (clientCert) => ({ clientCert }),
  ),
  choice(
    'sign_in',
    ['window', 'browser', 'none'],
    (of) => of.signIn,
    (signIn) => ({ signIn }),
  ),
  {
    ...words(
      'callback_port',
      (of) => of.oauth.callbackPort?.toString() ?? null,
      (port) => ({
        callbackPort: Number(port),
      }),
    ),
    kind: 'port',
  },
  choice(
    'callback_host',
    ['127.0.0.1', 'localhost'],
    (of) => of.oauth.callbackHost,
    (callbackHost) => ({
      callbackHost,
    }),
  ),
  words(
    'resource',
    (of) => given(of.oauth.resource),
    (text) => ({
      resource: text === 'none' ? 'omitted' : { given: text },
    }),
  ),
  choice(
    'grant',
    ['code', 'device', 'client-credentials', 'workload', 'enterprise'],
    (of) => of.oauth.grant,
    (grant) => ({ grant }),
  ),
  words(
    'client_metadata_url',
    (of) => of.oauth.clientMetadataUrl,
    (clientMetadataUrl) => ({
      clientMetadataUrl,
    }),
  ),
  secret('private_key', (of) => of.oauth.hasPrivateKey, 'privateKey'),
  words(
    'key_alg',
    (of) => of.oauth.keyAlg,
    (keyAlg) => ({ keyAlg }),
  ),
  secret('assertion', (of) => isGiven(of.oauth.assertion), 'assertion'),
  words(
    'idp_issuer',
    (of) => of.oauth.idp.issuer,
    (idpIssuer) => ({ idpIssuer }),
  ),
  words(
    'idp_token_endpoint',
    (of) => of.oauth.idp.tokenEndpoint,
    (idpTokenEndpoint) => ({ idpTokenEndpoint }),
  ),
  words(
    'idp_client_id',
    (of) => of.oauth.idp.clientId,
    (idpClientId) => ({ idpClientId }),
  ),
  secret('idp_client_secret', (of) => of.oauth.idp.hasClientSecret, 'idpClientSecret'),
  secret('idp_id_token', (of) => isGiven(of.oauth.idp.idToken), 'idpIdToken'),
]

/** What each field holds at first. */
export function textsAtFirst(server: ServerView): Record<string, string> {
  const shown = (option: MoreOption) => (option.kind === 'secret' ? '' : option.stored(server))
  return Object.fromEntries(MORE_OPTIONS.map((option) => [option.word, shown(option)]))
}

/** Whether an option holds what it cannot be. */
export function isWrong(option: MoreOption, text: string): boolean {
  const number = Number(text)
  return (
    option.kind === 'port' &&
    text.trim() !== '' &&
    !(Number.isInteger(number) && number > 0 && number < 65536)
  )
}

/** What to set and what to take back; what was not touched is in neither. A secret is taken back where `dropped` has it. */
export function moreChanges(
  server: ServerView,
  texts: Record<string, string>,
  dropped: readonly string[],
): { options: ServerOptions; unset: Unset[] } {
  let options: ServerOptions = {}
  const unset: Unset[] = []
  for (const option of MORE_OPTIONS) {
    const text = (texts[option.word] ?? '').trim()
    const before = option.kind === 'secret' ? '' : option.stored(server)
    if (text && text !== before) options = { ...options, ...option.set(text) }
    else if ((!text && before) || dropped.includes(option.word)) unset.push(option.word)
  }
  return { options, unset }
}
