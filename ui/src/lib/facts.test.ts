import { expect, it } from 'vitest'
import { factsOf } from './facts'
import { serverView } from './state/testing'

function told(oauth: Partial<ReturnType<typeof serverView>['oauth']>): Record<string, string> {
  const plain = serverView('tickets')
  const facts = factsOf({ ...plain, oauth: { ...plain.oauth, ...oauth } }, null)
  return Object.fromEntries(facts.filter((fact): fact is [string, string] => Boolean(fact[1])))
}

it('a plain server is told without options that few need', () => {
  expect(Object.keys(told({}))).toEqual(['Address', 'Network', 'Protocol', 'Transport'])
})

it('the grant, and what vouches for a workload, are told', () => {
  expect(told({ grant: 'workload', assertion: { file: '/run/token' } })).toMatchObject({
    'Gets tokens as': 'A workload that its platform vouches for',
    'Vouched for by': '/run/token',
  })
})

it('a company’s identity provider is told, and its secrets are named alone', () => {
  const idp = {
    issuer: 'https://idp.example',
    tokenEndpoint: 'https://idp.example/token',
    clientId: 'me',
    hasClientSecret: true,
    idToken: 'stored' as const,
  }
  expect(told({ grant: 'enterprise', idp })).toMatchObject({
    'Gets tokens as': 'The company’s sign-in',
    'Identity provider': 'https://idp.example',
    'Exchanges tokens at': 'https://idp.example/token',
    'Client id there': 'me, with a secret in the keychain',
    'Your ID token': 'in the keychain',
  })
})
