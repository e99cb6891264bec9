'use client'

import Image from 'next/image'
import { useState } from 'react'
import { measure } from './measure'

const SIZES = '(min-width: 1080px) 31vw, (min-width: 680px) 47vw, 94vw'

/** The pictures with what was served for each, and the sum of it. */
export function Gallery({ as, photos }) {
  const [served, setServed] = useState({})
  const [round, setRound] = useState(0)

  // The urls of Next's own loader. unsharp ignores further parameters, as Next does: `as` tells the demo's server
  // which browser to imitate, and `round` makes the browser ask again instead of using its own cache.
  const loader = ({ src, width, quality }) => {
    const query = new URLSearchParams({ url: src, w: String(width), q: String(quality ?? 75) })
    if (as) query.set('as', as)
    if (round > 0) query.set('round', String(round))
    return `/_next/image?${query}`
  }

  const facts = photos.map(({ src }) => served[src]).filter(Boolean)
  const sent = facts.reduce((sum, { bytes }) => sum + bytes, 0)
  const original = photos.reduce((sum, { bytes }) => sum + bytes, 0)

  return (
    <>
      <div className="summary">
        <p aria-live="polite">
          {facts.length < photos.length
            ? `${facts.length} of ${photos.length} pictures have arrived…`
            : `${kilobytes(sent)} instead of ${kilobytes(original)}: ${percent(sent, original)} of the originals.`}
        </p>
        <button
          type="button"
          onClick={() => {
            setServed({})
            setRound(round + 1)
          }}
        >
          Ask the server again
        </button>
      </div>
      <ul className="gallery">
        {photos.map((photo, index) => (
          <li key={photo.src}>
            <figure>
              <Image
                src={photo.src}
                alt={photo.alt}
                width={photo.width}
                height={photo.height}
                sizes={SIZES}
                loader={loader}
                loading={index < 3 ? 'eager' : 'lazy'}
                onLoad={async ({ currentTarget }) => {
                  const found = await measure(currentTarget.currentSrc)
                  setServed((before) => ({ ...before, [photo.src]: found }))
                }}
              />
              <figcaption>
                <h2>{photo.title}</h2>
                <Facts photo={photo} found={served[photo.src]} />
              </figcaption>
            </figure>
          </li>
        ))}
      </ul>
    </>
  )
}

function Facts({ photo, found }) {
  if (!found) return <p className="waiting">waiting for the picture…</p>
  const { type, cache, width, height, bytes, serverMs, browserMs, fromBrowserCache } = found
  return (
    <dl>
      <Fact name="Served">
        <strong className={`type ${type}`}>{type}</strong> {width} × {height}
      </Fact>
      <Fact name="Bytes">
        {kilobytes(bytes)}{' '}
        <small>
          of {kilobytes(photo.bytes)}, {percent(bytes, photo.bytes)}
        </small>
      </Fact>
      <Fact name="Cache">
        <strong className={`cache ${cache.toLowerCase()}`}>{cache}</strong>
        {fromBrowserCache && <small> now from the browser’s own cache</small>}
      </Fact>
      <Fact name="Time">
        {milliseconds(serverMs)} <small>in the server, {milliseconds(browserMs)} in all</small>
      </Fact>
      <Fact name="Original">
        {photo.src.split('.').pop().toUpperCase()} {photo.width} × {photo.height}
      </Fact>
    </dl>
  )
}

function Fact({ name, children }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

const kilobytes = (bytes) => `${(bytes / 1000).toLocaleString('en', { maximumFractionDigits: bytes < 1e5 ? 1 : 0 })} kB`
const milliseconds = (ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
const percent = (part, whole) => `${((part / whole) * 100).toFixed(part < whole / 10 ? 1 : 0)} %`
