import { ImageResponse } from 'next/og'

export const dynamic = 'force-dynamic'

export async function GET() {
  return new ImageResponse(<div style={{ display: 'flex', fontSize: 60 }}>Hello</div>, { width: 600, height: 300 })
}
