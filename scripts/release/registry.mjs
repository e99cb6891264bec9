// A registry of npm with nothing in it but what we packed, so that package managers install it as they will from the real one.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'

/** The package.json inside of a tarball that npm packed. */
export function manifestOf(tarball) {
  return JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }))
}

/** What a registry says of the one version of a package. */
function packument(tarball, origin) {
  const manifest = manifestOf(tarball)
  const bytes = readFileSync(tarball)
  const dist = {
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    shasum: createHash('sha1').update(bytes).digest('hex'),
    tarball: `${origin}/${manifest.name}/-/${path.basename(tarball)}`,
  }
  const { name, version } = manifest
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist } },
    // Package managers that wait some days before they trust a version look at this.
    time: { created: '2020-01-01T00:00:00.000Z', [version]: '2020-01-01T00:00:00.000Z' },
  }
}

/**
 * @param {string[]} tarballs
 * @returns {Promise<{ origin: string, asked: string[], close: () => Promise<void> }>} where it listens, and the paths that
 *   were asked for
 */
export async function startRegistry(tarballs) {
  const asked = []
  const files = new Map()
  const server = createServer((request, response) => {
    const wanted = decodeURIComponent(new URL(request.url, 'http://registry').pathname.slice(1))
    asked.push(wanted)
    const found = files.get(wanted)
    response.writeHead(found ? 200 : 404, { 'content-type': found?.type ?? 'application/json' })
    response.end(found?.body ?? '{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${server.address().port}`
  for (const tarball of tarballs) {
    const described = packument(tarball, origin)
    files.set(described.name, { body: JSON.stringify(described), type: 'application/json' })
    const name = `${described.name}/-/${path.basename(tarball)}`
    files.set(name, { body: readFileSync(tarball), type: 'application/octet-stream' })
  }
  return {
    origin,
    asked,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
