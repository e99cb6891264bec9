/**
 * What the server sent for an image that the page has loaded, from the browser's record of that very request.
 *
 * @param {string} url the image's currentSrc
 */
export async function measure(url) {
  const [timing, size] = await Promise.all([timingOf(url), pixelSize(url)])
  const said = Object.fromEntries((timing?.serverTiming ?? []).map((entry) => [entry.name, entry]))
  return {
    ...size,
    url,
    type: said.type?.description.replace('image/', '') ?? 'unknown',
    cache: said.cache?.description ?? 'unknown',
    serverMs: said.server?.duration ?? 0,
    bytes: timing?.encodedBodySize ?? 0,
    browserMs: timing ? timing.responseEnd - timing.startTime : 0,
    fromBrowserCache: timing?.transferSize === 0,
  }
}

/** The record is written a moment after the image's load event in some browsers. */
async function timingOf(url) {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const [timing] = performance.getEntriesByName(url, 'resource')
    if (timing) return timing
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return undefined
}

/** An `<img>` with a srcset reports its size divided by the density; a plain one reports the pixels of the file. */
async function pixelSize(url) {
  const probe = new Image()
  probe.src = url
  await probe.decode()
  return { width: probe.naturalWidth, height: probe.naturalHeight }
}
