import { readFile } from 'node:fs/promises'
import path from 'node:path'

export const dynamic = 'force-dynamic'

/** A picture for those without a cookie: proves that a visitor's cookies do not travel to the source. */
export async function GET(request) {
  if (request.headers.get('cookie')) return new Response('not with a cookie', { status: 401 })
  const body = await readFile(path.join(process.cwd(), 'public/photo.jpg'))
  return new Response(body, { headers: { 'content-type': 'application/octet-stream', etag: '"made-by-route"' } })
}
