import { describe, expect, it } from 'vitest'
import { fitting, isName, parse, suggestedName } from './parse'
import type { Found } from './found'

function servers(text: string): Found[] {
  const pasted = parse(text)
  if (pasted.kind !== 'found') throw new Error(`${text}: ${JSON.stringify(pasted)}`)
  return pasted.servers
}

function only(text: string): Found {
  const all = servers(text)
  expect(all).toHaveLength(1)
  return all[0] as Found
}

describe('addresses', () => {
  it.each([
    ['https://mcp.linear.app/mcp', 'https://mcp.linear.app/mcp'],
    ['  <https://mcp.linear.app/mcp> ', 'https://mcp.linear.app/mcp'],
    ['mcp.linear.app/mcp', 'https://mcp.linear.app/mcp'],
    ['localhost:8808/mcp', 'http://localhost:8808/mcp'],
    ['http://127.0.0.1:1/mcp?x=1', 'http://127.0.0.1:1/mcp?x=1'],
  ])('%s', (text, url) => {
    expect(only(text).url).toBe(url)
  })

  it.each(['linear', 'file:///etc/passwd', 'javascript:alert(1)', 'what is this', 'https://', '42'])(
    'is not %s',
    (text) => expect(parse(text)).toEqual({ kind: 'problem', problem: 'unknown' }),
  )

  it('are not there in an empty text', () => {
    expect(parse(' \n ')).toEqual({ kind: 'nothing' })
  })
})

describe('commands', () => {
  it.each([
    'npx mcp-remote https://mcp.linear.app/sse',
    'npx -y mcp-remote@latest https://mcp.linear.app/sse 3334',
    '$ npx -y mcp-remote \\\n  https://mcp.linear.app/sse',
    'drawbridge connect https://mcp.linear.app/sse',
    '/usr/local/bin/mcp-remote "https://mcp.linear.app/sse" --debug',
    'cmd /c npx mcp-remote https://mcp.linear.app/sse',
  ])('%s', (line) => {
    expect(only(line)).toMatchObject({ url: 'https://mcp.linear.app/sse', name: null, headers: [] })
  })

  it('bring the options of mcp-remote', () => {
    const line = `npx mcp-remote http://x.example/mcp --allow-http --transport sse-only --header "X-Key: abc"
      --static-oauth-client-info '{"client_id":"me","client_secret":"s"}' --static-oauth-client-metadata '{"scope":"a b"}'`
    expect(only(line)).toEqual({
      name: null,
      url: 'http://x.example/mcp',
      headers: [{ name: 'X-Key', value: 'abc', hint: 'abc' }],
      transport: 'sse',
      allowHttp: true,
      clientId: 'me',
      clientSecret: 's',
      scope: 'a b',
      resource: null,
      callbackPort: null,
      callbackHost: null,
      denyTools: [],
      leftOut: [],
    })
  })

  it('never show a value that is joined to the name of an option', () => {
    const line = 'npx mcp-remote https://x.example/mcp -H"Authorization: Bearer s3cret" -eKEY=s3cret'
    expect(only(line).leftOut).toEqual(['-e'])
  })

  it('bring what is registered elsewhere and the tools to hide', () => {
    const line = `npx mcp-remote https://x.example/mcp 3334 --host localhost --resource https://r.example
      --ignore-tool "delete_*" --ignore-tool drop --transport http-first --debug`
    expect(only(line)).toMatchObject({
      url: 'https://x.example/mcp',
      callbackPort: 3334,
      callbackHost: 'localhost',
      resource: { given: 'https://r.example' },
      denyTools: ['delete_*', 'drop'],
      leftOut: [],
    })
  })

  it('name the options that cannot be taken over', () => {
    const line = `npx mcp-remote https://x.example/mcp --static-oauth-client-info @client.json --host ::1
      --static-oauth-client-metadata @meta.json --auth-timeout 60 --token=abc --later --header bad`
    expect(only(line)).toMatchObject({ clientId: null, scope: null, callbackHost: null, headers: [] })
    expect(only(line).leftOut).toEqual([
      '--static-oauth-client-info',
      '--host',
      '--static-oauth-client-metadata',
      '--auth-timeout',
      '--token',
      '--later',
      '--header',
    ])
  })

  it('of Drawbridge itself are read with their options, wherever these stand', () => {
    const line = `drawbridge add --scope "read write" --pin-tools linear --bearer env:KEY https://mcp.linear.app/mcp
      --transport=sse --client-id me --no-resource --callback-port 3334 --callback-host localhost --deny-tool 'drop*'
      --header "X-Team: blue" --header "X-Key: env:KEY"`
    expect(only(line)).toEqual({
      name: 'linear',
      url: 'https://mcp.linear.app/mcp',
      headers: [
        { name: 'X-Team', value: 'blue', hint: 'blue' },
        { name: 'X-Key', value: null, hint: 'env:KEY' },
      ],
      transport: 'sse',
      allowHttp: false,
      clientId: 'me',
      clientSecret: null,
      scope: 'read write',
      resource: 'omitted',
      callbackPort: 3334,
      callbackHost: 'localhost',
      denyTools: ['drop*'],
      leftOut: ['--pin-tools', '--bearer'],
    })
    expect(only('drawbridge connect --resource https://r.example https://x.example')).toMatchObject({
      url: 'https://x.example/',
      resource: { given: 'https://r.example' },
    })
  })

  it('of Claude Code name the server', () => {
    expect(only('claude mcp add --transport http linear https://mcp.linear.app/mcp')).toMatchObject({
      name: 'linear',
      url: 'https://mcp.linear.app/mcp',
      transport: 'auto',
    })
    expect(only('claude mcp add notion -- npx -y mcp-remote https://mcp.notion.com/mcp')).toMatchObject({
      name: 'notion',
      url: 'https://mcp.notion.com/mcp',
    })
    expect(only('drawbridge add notion https://mcp.notion.com/mcp').name).toBe('notion')
  })

  it('that run here need no bridge', () => {
    const local = { kind: 'problem', problem: 'local' }
    expect(parse('npx -y @modelcontextprotocol/server-github')).toEqual(local)
    expect(parse('uvx mcp-server-git --repository .')).toEqual(local)
    expect(parse('{"mcpServers":{"git":{"command":"my-own-server"}}}')).toEqual(local)
  })
})

describe('settings of clients', () => {
  const entry = '"linear": { "url": "https://mcp.linear.app/mcp" }'
  it.each([
    `{ "mcpServers": { ${entry} } }`,
    `{ "servers": { ${entry} } }`,
    `{ "mcp": { "servers": { ${entry} } } }`,
    `{ "context_servers": { ${entry} } }`,
    `{ ${entry} }`,
    entry,
    `${entry},`,
    `{ "mcpServers": { // mine\n ${entry}, } }`,
    `\`\`\`json\n{ "mcpServers": { ${entry} } }\n\`\`\``,
    '{ "linear": { "command": "npx", "args": ["-y", "mcp-remote", "https://mcp.linear.app/mcp"] } }',
    '{ "name": "linear", "type": "http", "url": "https://mcp.linear.app/mcp" }',
    `vscode:mcp/install?${encodeURIComponent('{"name":"linear","url":"https://mcp.linear.app/mcp"}')}`,
    `cursor://anysphere.cursor-deeplink/mcp/install?name=linear&config=${btoa('{"url":"https://mcp.linear.app/mcp"}')}`,
  ])('%s', (text) => {
    expect(only(text)).toMatchObject({ name: 'linear', url: 'https://mcp.linear.app/mcp' })
  })

  it('may hold several servers, and local ones beside them', () => {
    const text = `{"mcpServers":{"a":{"url":"https://a.example/mcp"},"git":{"command":"uvx","args":["git"]},
      "b":{"type":"sse","url":"https://b.example/sse"}}}`
    expect(servers(text).map((server) => [server.name, server.transport])).toEqual([
      ['a', 'auto'],
      ['b', 'sse'],
    ])
  })

  it('bring headers, and say which values are left to the person', () => {
    const text = `{"mcpServers":{"x":{"command":"npx","args":["mcp-remote","https://x.example/mcp",
      "--header","Authorization:\${AUTH}","--header","X-Team: blue"],"env":{"AUTH":"Bearer <your-token>"}}}}`
    expect(only(text).headers).toEqual([
      { name: 'Authorization', value: null, hint: 'Bearer <your-token>' },
      { name: 'X-Team', value: 'blue', hint: 'blue' },
    ])
    const filled = text.replace('<your-token>', 'tok_1')
    expect(only(filled).headers[0]).toEqual({
      name: 'Authorization',
      value: 'Bearer tok_1',
      hint: 'Bearer tok_1',
    })
  })

  it.each([
    'npx mcp-remote https://x.example --header "X-A: 1" --header "X-B: 2" --header "x-a: ${T}"',
    '{"x":{"url":"https://x.example","headers":{"X-A":"1","X-B":"2","x-a":"${T}"}}}',
  ])('of one name in %s: the last counts', (text) => {
    expect(only(text).headers).toEqual([
      { name: 'X-B', value: '2', hint: '2' },
      { name: 'x-a', value: null, hint: '${T}' },
    ])
  })

  it.each(['${input:key}', 'Bearer ${TOKEN}', 'YOUR_API_KEY', '{{token}}', 'Bearer ...', '[your key]', ''])(
    'leave %s to the person',
    (value) => {
      const text = JSON.stringify({ x: { url: 'https://x.example', headers: { 'X-Key': value } } })
      expect(only(text).headers[0]?.value).toBeNull()
    },
  )

  it('that are cut off in the middle are said to be broken', () => {
    expect(parse('{ "mcpServers": { "linear": { "url": "https://mcp')).toEqual({
      kind: 'problem',
      problem: 'broken',
    })
    expect(parse('{"a": 1}')).toEqual({ kind: 'problem', problem: 'unknown' })
  })
})

describe('names', () => {
  it.each([
    ['https://mcp.linear.app/mcp', 'linear'],
    ['https://www.notion.com', 'notion'],
    ['https://api.githubcopilot.com/mcp/', 'githubcopilot'],
    ['http://127.0.0.1:8808/mcp', '127.0.0.1'],
    ['http://localhost:1/', 'localhost'],
  ])('of %s', (url, name) => {
    expect(suggestedName(url, () => false)).toBe(name)
  })

  it('that are taken get a number', () => {
    const taken = new Set(['linear', 'linear-2'])
    expect(suggestedName('https://mcp.linear.app', (name) => taken.has(name))).toBe('linear-3')
  })

  it('fit the Host', () => {
    expect(isName('a.b-c_d')).toBe(true)
    for (const bad of ['', '-a', 'a b', 'a__b', 'a'.repeat(65)]) expect(isName(bad)).toBe(false)
    expect(fitting(' My server! ')).toBe('My-server')
  })
})
