// `npm start`: a fresh checkout becomes a running server. Further arguments go to the server (`npm start -- --pg-port 0`).
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, install, root } from './setup.mjs'

install()
build()
await import(pathToFileURL(path.join(root, 'dist', 'main.js')).href)
