/** Chooses the carrier. */

import type { Backend } from './backend'

export async function openBackend(): Promise<Backend> {
  if ('__TAURI_INTERNALS__' in window) return new (await import('./tauri')).TauriBackend()
  return (await import('./http')).HttpBackend.enter()
}
