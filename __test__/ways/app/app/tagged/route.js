import { unstable_cache } from 'next/cache'

export const dynamic = 'force-dynamic'

const number = unstable_cache(async () => Math.random(), ['number'], { tags: ['number'] })

export async function GET() {
  return Response.json(await number())
}
