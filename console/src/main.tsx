// Where the console begins: the look, then the page that the address names.

import 'uplot/dist/uPlot.min.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/parts.css'
import './styles/map.css'
import './styles/pages.css'
import './styles/print.css'
import './state/theme.ts'
import { render } from 'preact'
import { App } from './app.tsx'

const root = document.getElementById('app')
if (root) render(<App />, root)
