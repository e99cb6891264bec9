export const dynamic = 'force-dynamic'

/** Hands on what a server of the test answers, so that a test can make every kind of source inside the app. */
export async function GET(_request, { params }) {
  const path = (await params).path.map(encodeURIComponent).join('/')
  const answer = await fetch(`${process.env.TEST_SOURCES}/${path}`, { redirect: 'manual', cache: 'no-store' })
  const headers = new Headers(answer.headers)
  for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'date']) headers.delete(name)
  return new Response(answer.status === 204 ? null : await answer.arrayBuffer(), { status: answer.status, headers })
}
