import { NextResponse } from 'next/server'

/** Guards a picture, as an app's login would. */
export function proxy() {
  return new NextResponse('forbidden', { status: 403 })
}

export const config = { matcher: '/guarded.jpg' }
