import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [svelte()],
  build: { target: ['es2022', 'safari17.5', 'chrome123'], modulePreload: { polyfill: false } },
  resolve: { conditions: process.env.VITEST ? ['browser'] : undefined },
  test: { include: ['src/**/*.test.ts'], environment: './vitest.environment.ts' },
})
