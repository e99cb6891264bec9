export const dynamic = 'force-dynamic'

/** What the app itself gets when it asks for sharp. Not before it is asked: the server loads routes when it starts. */
export async function GET() {
  const { default: sharp } = await import('sharp')
  return Response.json({ vips: sharp.versions?.vips ?? null })
}
