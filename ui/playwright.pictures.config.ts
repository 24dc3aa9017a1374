import { defineConfig } from '@playwright/test'
import shared from './playwright.config'

export default defineConfig({ ...shared, testDir: 'e2e/pictures', testMatch: '*.pictures.ts', workers: 1 })
