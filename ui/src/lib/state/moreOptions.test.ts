import { describe, expect, it } from 'vitest'
import type { ServerView } from '../backend/bindings'
import { isWrong, MORE_OPTIONS, moreChanges, textsAtFirst } from './moreOptions'
import { serverView } from './testing'

const plain = serverView('tickets')
const special: ServerView = {
  ...plain,
  transport: 'sse',
  ca: '/etc/company.pem',
  oauth: { ...plain.oauth, callbackPort: 3334, resource: 'omitted', hasPrivateKey: true },
}

describe('the options that few servers need', () => {
  it('ask for nothing where nothing was touched', () => {
    for (const server of [plain, special]) {
      expect(moreChanges(server, textsAtFirst(server), [])).toEqual({ options: {}, unset: [] })
    }
  })

  it('are set, each in its own form', () => {
    const texts = {
      ...textsAtFirst(plain),
      transport: 'http',
      callback_port: ' 3334 ',
      resource: 'none',
      grant: 'device',
      private_key: 'a key\nof lines',
      idp_issuer: 'https://idp.example',
    }
    expect(moreChanges(plain, texts, []).options).toEqual({
      transport: 'http',
      callbackPort: 3334,
      resource: 'omitted',
      grant: 'device',
      privateKey: { value: 'a key\nof lines' },
      idpIssuer: 'https://idp.example',
    })
    expect(moreChanges(plain, { ...texts, resource: 'https://r.example' }, []).options.resource).toEqual({
      given: 'https://r.example',
    })
  })

  it('are taken back where they were emptied or are to be forgotten', () => {
    const texts = { ...textsAtFirst(special), ca: '', callback_port: '', resource: '' }
    expect(moreChanges(special, texts, ['private_key'])).toEqual({
      options: {},
      unset: ['ca', 'callback_port', 'resource', 'private_key'],
    })
  })

  it('know what is no port', () => {
    const ports = MORE_OPTIONS.filter((option) => option.kind === 'port')
    const isNone = (text: string) => ports.some((option) => isWrong(option, text))
    expect(['0', '65536', 'x', '1.5', '', '1', '65535'].filter(isNone)).toEqual(['0', '65536', 'x', '1.5'])
  })
})
