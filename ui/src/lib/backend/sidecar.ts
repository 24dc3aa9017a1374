/** The command that clients start, run by the app to look for what is wrong. */

import { Channel, invoke } from '@tauri-apps/api/core'
import { text } from '../text'
import { Refused } from './backend'
import type { Checkup, Code } from './bindings'

/** What the shell plugin tells of a program that runs. */
type ProgramEvent =
  | { event: 'Stdout' | 'Stderr' | 'Error'; payload: string }
  | { event: 'Terminated'; payload: { code: number | null } }

/** A failure as the command prints it for programs. */
interface Printed {
  code: Code
  message: string
  next_step: string
}

/**
 * Has `drawbridge doctor` look at a server, or at everything. The capability of the window allows these words and no
 * others; it knows the command by a name for each of the two.
 */
export async function doctor(target?: string): Promise<Checkup> {
  const { out, err } = await (target === undefined
    ? run('./drawbridge', ['doctor', '--json'])
    : run('drawbridge', ['doctor', '--json', '--', target]))
  try {
    return JSON.parse(out) as Checkup
  } catch {
    throw new Refused(printed(err))
  }
}

/** Runs the command to its end. */
function run(program: string, args: string[]): Promise<{ out: string; err: string[] }> {
  return new Promise((resolve, reject) => {
    let out = ''
    const err: string[] = []
    const onEvent = new Channel<ProgramEvent>()
    onEvent.onmessage = ({ event, payload }) => {
      if (event === 'Stdout') out += payload
      else if (event === 'Stderr') err.push(payload)
      else if (event === 'Terminated') resolve({ out, err })
      else reject(new Refused(text.failures.commandBroke))
    }
    const options = { sidecar: true }
    invoke('plugin:shell|spawn', { program, args, options, onEvent }).catch(() =>
      reject(new Refused(text.failures.noCommand)),
    )
  })
}

/** The failure on the last line that is one. */
function printed(lines: string[]): Refused['failure'] {
  for (const line of lines.reverse()) {
    try {
      const { code, message, next_step } = JSON.parse(line) as Partial<Printed>
      if (code && message) return { code, sentence: message, nextStep: next_step ?? '' }
    } catch {
      // A line of the log.
    }
  }
  return text.failures.noCommand
}
