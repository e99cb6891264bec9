export const dynamic = 'force-dynamic'

/** Answers with the status that the query asks for. */
export async function GET(request) {
  const status = Number(request.nextUrl.searchParams.get('status') ?? 418)
  return new Response('no picture', { status })
}
