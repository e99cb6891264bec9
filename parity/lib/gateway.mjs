// What a gateway in front of an app and its image service does: sends the image endpoint to the one, all else to the other.
import { once } from 'node:events'
import { createServer, request } from 'node:http'

/** Starts one on a free port. `images` is the path of the endpoint; ports are those of the two servers behind. */
export async function startGateway({ images, imagePort, appPort }) {
  const server = createServer((req, res) => {
    const port = req.url.split('?')[0] === images ? imagePort : appPort
    const { url, method, rawHeaders } = req
    const options = { host: '127.0.0.1', port, path: url, method, headers: rawHeaders, agent: false }
    const behind = request(options, (answer) => {
      res.writeHead(answer.statusCode, answer.rawHeaders)
      answer.pipe(res)
      answer.on('error', () => res.destroy())
    })
    behind.on('error', () => res.destroy())
    res.on('close', () => behind.destroy())
    req.pipe(behind)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: server.address().port,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
