import { readFileSync } from 'node:fs'

export const dynamic = 'force-dynamic'

/** The addons that the server has loaded: the kernel knows, whatever Node's modules say. */
export async function GET() {
  const files = readFileSync('/proc/self/maps', 'utf8').matchAll(/\/\S+\.(?:node|so)\S*$/gm)
  return Response.json([...new Set([...files].map(([file]) => file))])
}
