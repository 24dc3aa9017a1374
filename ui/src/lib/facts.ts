/** How a server is reached and signed in to, as names and values; secrets are named and never shown. */

import type { DetailsView, OAuthView, ServerView, SubjectView } from './backend/bindings'
import { text } from './text'

export type Fact = [name: string, value: string | null | undefined]

const words = text.server

/** All that is known; what does not apply has no value. */
export function factsOf(server: ServerView, details: DetailsView | null): Fact[] {
  const seen = server.transport === 'auto' && details?.transport ? details.transport : server.transport
  const version = [details?.server, details?.serverVersion].filter(Boolean).join(' ')
  const allowed = [server.allowHttp && words.allowHttp, server.allowPrivate && words.allowPrivate]
  return [
    [words.address, server.url],
    [words.network, words.networks[server.class]],
    [words.software, version],
    [
      words.era,
      words.protocol(details?.protocolVersion ?? null, details?.era ? words.eras[details.era] : null),
    ],
    [words.transport, words.transports[seen]],
    [words.bearer, server.bearer ? `•••••••• ${words.headerStored}` : null],
    [words.headers, server.headers.map((name) => `${name}: •••••••• ${words.headerStored}`).join('\n')],
    ...signInFacts(server.oauth),
    [words.proxy, server.proxy],
    [words.ca, server.ca],
    [words.clientCert, server.clientCert],
    [words.allowed, allowed.filter(Boolean).join(', ')],
    [words.shownTools, server.tools?.allow?.join(', ')],
    [words.hiddenTools, server.tools?.deny?.join(', ')],
    [words.instructions, details?.instructions ?? null],
  ]
}

function signInFacts(oauth: OAuthView): Fact[] {
  const { callbackPort, callbackHost, idp } = oauth
  return [
    // That a person signs in is what everybody expects.
    [words.grant, oauth.grant === 'code' ? null : text.more.choices[oauth.grant]],
    [words.clientId, client(oauth.clientId, oauth.hasClientSecret)],
    [
      words.privateKey,
      oauth.hasPrivateKey ? [words.headerStored, oauth.keyAlg].filter(Boolean).join(', ') : null,
    ],
    [words.metadata, oauth.clientMetadataUrl],
    [words.assertion, place(oauth.assertion)],
    [words.idp, idp.issuer],
    [words.idpTokenEndpoint, idp.tokenEndpoint],
    [words.idpClientId, client(idp.clientId, idp.hasClientSecret)],
    [words.idpIdToken, place(idp.idToken)],
    [words.scope, oauth.scope],
    [
      words.resource,
      oauth.resource && (oauth.resource === 'omitted' ? words.resourceOmitted : oauth.resource.given),
    ],
    [words.issuer, oauth.issuer],
    [words.callback, callbackPort ? `${callbackHost}:${callbackPort}` : null],
  ]
}

function client(id: string | null, hasSecret: boolean): string | null {
  return id && [id, hasSecret && words.withSecret].filter(Boolean).join(', ')
}

function place(subject: SubjectView): string | null {
  if (subject === 'none') return null
  return subject === 'stored' ? words.headerStored : subject.file
}
