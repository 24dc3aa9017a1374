import { describe, expect, it } from 'vitest'
import { EditServer } from './editServer.svelte'
import { serverView } from './testing'

describe('changing a server', () => {
  const server = {
    ...serverView('tickets'),
    proxy: 'http://proxy.example:3128/',
    bearer: true,
    headers: ['x-team'],
    allowPrivate: true,
    tools: { allow: ['read_*'], deny: [] },
  }

  it('asks for nothing where nothing was touched', () => {
    expect(new EditServer(server).changes()).toEqual({ options: {} })
  })

  it('sets what was typed', () => {
    const edit = new EditServer(server)
    edit.name = 'desk'
    edit.url = ' https://desk.example/mcp '
    edit.texts.scope = 'a b'
    edit.key = 'Bearer tok'
    edit.headerName = 'X-Kind'
    edit.headerValue = ' blue '
    edit.allowHttp = true
    edit.denyTools = 'drop_*, delete_?'
    expect(edit.changes()).toEqual({
      name: 'desk',
      url: 'https://desk.example/mcp',
      unset: ['deny_tools'],
      options: {
        scope: 'a b',
        bearer: { value: 'tok' },
        headers: [{ name: 'X-Kind', value: 'blue' }],
        allowHttp: true,
        denyTools: ['drop_*', 'delete_?'],
      },
    })
  })

  it('takes back what was emptied', () => {
    const edit = new EditServer(server)
    edit.texts.proxy = ''
    edit.dropsKey = true
    edit.droppedHeaders = ['x-team']
    edit.allowPrivate = false
    edit.allowTools = ''
    expect(edit.changes()).toEqual({
      unset: [{ header: 'x-team' }, 'proxy', 'bearer', 'allow_private', 'allow_tools'],
      options: { allowTools: [] },
    })
  })

  it('takes an address and nothing else for one', () => {
    const edit = new EditServer(server)
    for (const wrong of [
      '',
      'https//desk.example/mcp',
      'desk',
      'ftp://desk.example',
      'https://a b.example',
    ]) {
      edit.url = wrong
      expect([wrong, edit.isUrlWrong, edit.isWrong]).toEqual([wrong, true, true])
    }
    edit.url = 'desk.example/mcp'
    expect([edit.isWrong, edit.changes().url]).toEqual([false, 'https://desk.example/mcp'])
  })

  it('does not send an address back that was not shown whole', () => {
    for (const url of ['https://desk.example/mcp?…', 'https://desk.example/a-very-long-pa…']) {
      const edit = new EditServer({ ...server, url })
      expect([edit.url, edit.isWrong, edit.changes()]).toEqual(['', false, { options: {} }])
      edit.url = url
      expect(edit.isWrong).toBe(true)
      edit.url = 'https://desk.example/mcp?key=1'
      expect([edit.isWrong, edit.changes().url]).toEqual([false, 'https://desk.example/mcp?key=1'])
    }
  })
})
