import { ImageResponse } from 'next/og'

// While it is asked for, not while the app is built.
export const dynamic = 'force-dynamic'

export function GET() {
  return new ImageResponse(
    <div style={{ display: 'flex', width: '100%', height: '100%', background: '#1a2a6c', color: '#fff', fontSize: 90 }}>
      <div style={{ display: 'flex', margin: 60, padding: 40, borderRadius: 30, background: '#b21f1f' }}>Drawn</div>
    </div>,
    { width: 600, height: 315 },
  )
}
