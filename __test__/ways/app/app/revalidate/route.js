import { revalidateTag } from 'next/cache'

export const dynamic = 'force-dynamic'

export async function GET() {
  // Next 16 asks for the second argument, which those before do not look at.
  revalidateTag('number', { expire: 0 })
  return Response.json('done')
}
