import { NextResponse } from 'next/server'

/** Guards a picture, as an app's login would, and lets another server answer for a folder. */
export function proxy(request) {
  const { pathname } = request.nextUrl
  if (pathname === '/guarded.jpg') return new NextResponse('forbidden', { status: 403 })
  return NextResponse.rewrite(new URL(pathname.replace('/elsewhere', ''), process.env.TEST_SOURCES))
}

export const config = { matcher: ['/guarded.jpg', '/elsewhere/:path*'] }
