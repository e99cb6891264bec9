// node:http that answers one image from memory and does nothing else: the most that a handler in Node's own server could
// reach. `node bare-server.mjs PORT FILE`
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [port, file] = process.argv.slice(2)
const body = readFileSync(file)
const headers = { 'content-type': 'image/webp', 'cache-control': 'public, max-age=60', 'content-length': body.length }
createServer((_, res) => res.writeHead(200, headers).end(body)).listen(Number(port), '127.0.0.1')
