/** A server's options while somebody changes them. */

import { isWrong, MORE_OPTIONS, moreChanges, textsAtFirst } from './moreOptions'
import { addressIn } from '../paste/found'
import type { Changes, ServerOptions, ServerView, Unset } from '../backend/bindings'

/** An option that is text, and how it is taken back. */
const TEXTS = { scope: 'scope', clientId: 'client_id', issuer: 'issuer', proxy: 'proxy' } as const

type TextOption = keyof typeof TEXTS

export class EditServer {
  name = $state('')
  url = $state('')
  texts = $state<Record<TextOption, string>>({ scope: '', clientId: '', issuer: '', proxy: '' })
  /** New values of secrets; empty leaves what is stored. */
  key = $state('')
  clientSecret = $state('')
  dropsKey = $state(false)
  droppedHeaders = $state<string[]>([])
  headerName = $state('')
  headerValue = $state('')
  allowPrivate = $state(false)
  allowHttp = $state(false)
  allowTools = $state('')
  denyTools = $state('')
  /** What few servers need, by its word. */
  more = $state<Record<string, string>>({})
  /** Secrets among these that are to be forgotten. */
  dropped = $state<string[]>([])

  /** What is shown of the address: nothing where that is not all of it. */
  private readonly shownUrl: string
  private readonly before: ServerView

  constructor(server: ServerView) {
    this.before = server
    this.name = server.name
    this.shownUrl = isShortened(server.url) ? '' : server.url
    this.url = this.shownUrl
    this.texts = textsOf(server)
    this.allowPrivate = server.allowPrivate
    this.allowHttp = server.allowHttp
    this.allowTools = (server.tools?.allow ?? []).join(' ')
    this.denyTools = (server.tools?.deny ?? []).join(' ')
    this.more = textsAtFirst(server)
  }

  /** Whether something in it cannot be. */
  get isWrong(): boolean {
    return this.isUrlWrong || MORE_OPTIONS.some((option) => isWrong(option, this.more[option.word] ?? ''))
  }

  /** Whether another address was typed, and is none. */
  get isUrlWrong(): boolean {
    return this.isUrlTouched && (isShortened(this.url) || addressIn(this.url) === null)
  }

  private get isUrlTouched(): boolean {
    return this.url.trim() !== this.shownUrl
  }

  /** What to ask for; what was not touched is not in it. */
  changes(): Changes {
    const more = moreChanges(this.before, this.more, this.dropped)
    const options: ServerOptions = more.options
    const unset: Unset[] = [...this.droppedHeaders.map((header) => ({ header })), ...more.unset]
    const stored = textsOf(this.before)
    for (const [option, word] of Object.entries(TEXTS) as [TextOption, (typeof TEXTS)[TextOption]][]) {
      const text = this.texts[option].trim()
      if (text === stored[option]) continue
      if (text) options[option] = text
      else unset.push(word)
    }
    if (this.key.trim()) options.bearer = { value: this.key.trim().replace(/^bearer\s+/i, '') }
    else if (this.dropsKey) unset.push('bearer')
    if (this.clientSecret.trim()) options.clientSecret = { value: this.clientSecret.trim() }
    const name = this.headerName.trim()
    if (name) options.headers = [{ name, value: this.headerValue.trim() }]
    if (this.allowPrivate !== this.before.allowPrivate) {
      if (this.allowPrivate) options.allowPrivate = true
      else unset.push('allow_private')
    }
    if (this.allowHttp !== this.before.allowHttp) {
      if (this.allowHttp) options.allowHttp = true
      else unset.push('allow_http')
    }
    const rules = this.before.tools
    if (globs(this.allowTools).join(' ') !== (rules?.allow ?? []).join(' ')) {
      unset.push('allow_tools')
      options.allowTools = globs(this.allowTools)
    }
    if (globs(this.denyTools).join(' ') !== (rules?.deny ?? []).join(' ')) {
      unset.push('deny_tools')
      options.denyTools = globs(this.denyTools)
    }
    return {
      ...(this.name === this.before.name ? {} : { name: this.name }),
      ...(this.isUrlTouched ? { url: addressIn(this.url) } : {}),
      ...(unset.length > 0 ? { unset } : {}),
      options,
    }
  }
}

/** Whether an address is not shown whole: what may be secret is left out, and what is long is cut. */
export function isShortened(url: string): boolean {
  return url.includes('…')
}

function textsOf(server: ServerView): Record<TextOption, string> {
  const { oauth, proxy } = server
  return {
    scope: oauth.scope ?? '',
    clientId: oauth.clientId ?? '',
    issuer: oauth.issuer ?? '',
    proxy: proxy ?? '',
  }
}

function globs(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}
