import './globals.css'

export const metadata = {
  title: 'unsharp demo',
  description: 'Next.js images without sharp',
}

export const viewport = { colorScheme: 'light dark' }

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}
