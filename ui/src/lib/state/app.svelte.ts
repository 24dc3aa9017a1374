/** What every view shares, made once and handed down. */

import { getContext, setContext } from 'svelte'
import type { Backend } from '../backend/backend'
import { AboutApp } from './aboutApp.svelte'
import { Announcer } from './announcer.svelte'
import { Approvals } from './approvals.svelte'
import { Clock } from './clock.svelte'
import { HostState } from './host.svelte'
import { Pause } from './pause.svelte'
import { Route } from './route.svelte'
import { SignIns } from './signIns.svelte'
import { Theme } from './theme.svelte'

const KEY = Symbol('app')

export class App {
  readonly host: HostState
  readonly route = new Route()
  readonly announcer = new Announcer()
  readonly clock = new Clock()
  readonly theme: Theme
  readonly signIns: SignIns
  readonly pause: Pause
  readonly approvals: Approvals
  readonly about: AboutApp

  constructor(readonly backend: Backend) {
    this.host = new HostState(backend)
    this.signIns = new SignIns(backend, this.announcer)
    this.pause = new Pause(backend, this.host, this.announcer)
    this.theme = new Theme(backend.desktop)
    this.approvals = new Approvals(backend.desktop)
    this.about = new AboutApp(backend.desktop)
  }

  /** Starts what goes on as long as the window is there; returns how to end it. */
  start(): () => void {
    this.theme.start()
    const ends = [this.host.start(), this.route.start(), this.clock.start(), this.approvals.start()]
    return () => ends.forEach((end) => end())
  }
}

export function provideApp(app: App): void {
  setContext(KEY, app)
}

export function useApp(): App {
  return getContext<App>(KEY)
}
