import './app.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { openBackend } from './lib/backend/open'
import { App as AppState } from './lib/state/app.svelte'
import { language } from './lib/text'

document.documentElement.lang = language
const target = document.getElementById('app')
if (!target) throw new Error('index.html has an element for the app')
const app = new AppState(await openBackend())
mount(App, { target, props: { app } })
