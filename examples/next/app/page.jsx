import { statSync } from 'node:fs'
import path from 'node:path'
import Link from 'next/link'
import { Gallery } from './gallery'
import { choices, photos } from './photos'

export default async function Page({ searchParams }) {
  const { as: wanted } = await searchParams
  const chosen = choices.find(({ as }) => as === wanted) ?? choices[0]
  const originals = photos.map((photo) => ({
    ...photo,
    bytes: statSync(path.join(process.cwd(), 'public', photo.src)).size,
  }))

  return (
    <main>
      <header>
        <h1>
          <span className="mark">un</span>sharp
        </h1>
        <p>
          A Next.js 16 app with no sharp in its node_modules. Every picture below went through <code>next/image</code>,
          and <code>/_next/image</code> was answered by unsharp. Under each: what the server really sent.
        </p>
        <nav aria-label="Image format">
          {choices.map(({ as, label, hint }) => (
            <Link
              key={as}
              href={as === '' ? '/' : `/?as=${as}`}
              scroll={false}
              title={hint}
              aria-current={as === chosen.as ? 'true' : undefined}
            >
              {label}
            </Link>
          ))}
        </nav>
        <p className="hint">{chosen.hint}</p>
      </header>
      <Gallery key={chosen.as} as={chosen.as} photos={originals} />
      <footer>
        The pictures were computed by a script in this repository and are in the public domain. Resize the window, and
        the browser picks another width.
      </footer>
    </main>
  )
}
