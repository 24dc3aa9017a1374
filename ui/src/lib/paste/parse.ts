/** Reads whatever a server's instructions gave a person to paste. */

import { ofCommandLine } from './commandLine'
import { addressIn, found, type Pasted } from './found'
import { ofJson } from './json'

/** Texts longer than any snippet. */
const LONGEST = 64 * 1024

/** What a pasted text says. */
export function parse(text: string): Pasted {
  const trimmed = withoutFence(text.trim())
  if (!trimmed) return { kind: 'nothing' }
  if (trimmed.length > LONGEST) return { kind: 'problem', problem: 'unknown' }
  const link = ofLink(trimmed)
  if (link) return link
  const url = addressIn(trimmed)
  if (url) return { kind: 'found', servers: [found(url)] }
  if (/^["{[]/.test(trimmed)) return ofJson(trimmed)
  return ofCommandLine(trimmed) ?? { kind: 'problem', problem: 'unknown' }
}

/** Links that some sites offer as 'install' buttons. */
function ofLink(text: string): Pasted | null {
  if (/^vscode(-insiders)?:/.test(text)) {
    const query = text.slice(text.indexOf('?') + 1)
    return ofJson(decoded(query))
  }
  if (/^cursor:/.test(text)) {
    const query = new URLSearchParams(text.slice(text.indexOf('?') + 1))
    const name = query.get('name') ?? 'server'
    const config = unpacked(query.get('config') ?? '')
    return config ? ofJson(`{${JSON.stringify(name)}:${config}}`) : null
  }
  return null
}

function withoutFence(text: string): string {
  return text.replace(/^```\w*\s*\n?([\s\S]*?)\n?```$/, '$1').trim()
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function unpacked(text: string): string | null {
  try {
    return atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  } catch {
    return null
  }
}

/** A name for a server that the text does not name: the part of its host that says whose it is. */
export function suggestedName(url: string, isTaken: (name: string) => boolean): string {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const labels = host.split('.').filter((label) => !/^(www|mcp|api|remote|ai|app)$/.test(label))
  const isAddress = /^[\d.:]+$/.test(host)
  const base = fitting(isAddress ? host : (labels[0] ?? host)) || 'server'
  if (!isTaken(base)) return base
  for (let number = 2; ; number++) {
    const name = `${base}-${number}`
    if (!isTaken(name)) return name
  }
}

/** Whether the Host takes a name. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text) && !text.includes('__')
}

/** A text with what no name may hold taken out. */
export function fitting(text: string): string {
  const plain = text.trim().replace(/[^A-Za-z0-9.-]+/g, '-')
  return plain.replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '').slice(0, 64)
}
