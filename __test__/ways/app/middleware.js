import { NextResponse } from 'next/server'

/** Runs in the edge runtime, whose bundle takes in the cacheHandler. */
export function middleware() {
  return NextResponse.json('from the edge')
}

export const config = { matcher: '/edge' }
