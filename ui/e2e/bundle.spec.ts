/** What a window has to load. */

import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from './support'

const MOST = 120 * 1024

test('the mark and the blue are those of the icons', () => {
  const icon = readFileSync('../icons/drawbridge.svg', 'utf8')
  const mark = readFileSync('dist/icon.svg', 'utf8')
  const shapes = (drawing: string) => drawing.match(/<g id="bridge"[^]*?<\/g>/)?.[0]
  expect(shapes(mark)).toBe(shapes(icon))
  const blue = /id="plate"[^>]* fill="(#\w+)"/.exec(icon)?.[1]
  expect(readFileSync('src/app.css', 'utf8')).toContain(`--accent: light-dark(${blue},`)
})

test('the pages are small, and hold no inline script or style', () => {
  const page = readFileSync('dist/index.html', 'utf8')
  expect(page).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/)
  const assets = readdirSync('dist/assets').map((name) => readFileSync(`dist/assets/${name}`))
  const size = [Buffer.from(page), ...assets].reduce((sum, text) => sum + gzipSync(text).length, 0)
  expect(size).toBeLessThan(MOST)
  expect(assets.length).toBeGreaterThan(1)
})
