// `npm run fake-tikv`: a TiKV cluster in memory, for tests and for a look without tiup. Arguments go to it (`-- --stores 3 --keyspaces test`).
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildFakeTikv, install, root } from './setup.mjs'

install()
buildFakeTikv()
await import(pathToFileURL(path.join(root, 'dist-test', 'test', 'fake-tikv', 'main.js')).href)
