// What is kept, for how long, and what happens then.

/** A promise and what resolves it. */
function gate() {
  let open
  const opened = new Promise((resolve) => {
    open = resolve
  })
  return { open, opened }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** The same picture three times; what was fetched and kept by then. */
async function askThrice(side) {
  const url = side.source('/a.jpg', { body: side.pictures.small })
  for (let round = 0; round < 3; round += 1) await side.image({ url, w: 32 })
  side.hits('/a.jpg')
  side.note('entries', side.entries().length)
}

export const rows = [
  {
    id: 'C1',
    title: 'the name of a variant',
    run: async (side) => {
      const plain = side.source('/a%20b.jpg', { body: side.pictures.small })
      const variants = [
        { url: plain, w: 32 },
        { url: `${plain}?b=1&a=%20`, w: 32 },
        { url: '/photo.jpg', w: 48 },
        { url: '/fj%C3%A4ll%20och%20sj%C3%B6.jpg', w: 48 },
      ]
      for (const variant of variants) {
        await side.image(variant)
        await side.until(() => side.entries().includes(side.key(variant)))
      }
      // Written in another way, the same address.
      const other = plain.replace('http://', 'HTTP://').replace('/C1/', '/x/../C1/./')
      await side.image({ url: other, w: 32 }, { label: 'the same address, written otherwise' })
      side.hits('/a%20b.jpg')
    },
  },
  {
    id: 'C2',
    title: 'the file of a variant',
    run: async (side) => {
      const cases = {
        made: { body: side.pictures.small, headers: { etag: '"v1"', 'cache-control': 'max-age=20000' } },
        short: { body: side.pictures.small, headers: { 'cache-control': 'max-age=5' } },
        passed: { body: side.pictures.ico, headers: { etag: 'W/"v2"' } },
      }
      for (const [name, behaviour] of Object.entries(cases)) {
        const variant = { url: side.source(`/${name}`, behaviour), w: 32 }
        const from = Date.now()
        await side.image(variant)
        await side.until(() => side.entries().includes(side.key(variant)))
        side.files(variant, [from, Date.now()])
      }
      for (const [accept, type] of [
        ['*/*', ''],
        ['image/webp;v=1', 'image/webp;v=1'],
      ]) {
        const url = side.source(`/accept-${type.length}`, { body: side.pictures.gif })
        const variant = { url, w: 32, type }
        const from = Date.now()
        await side.image({ url, w: 32 }, { accept })
        await side.until(() => side.entries().includes(side.key(variant)))
        side.files(variant, [from, Date.now()])
      }
    },
  },
  {
    id: 'C3',
    title: 'one entry for each width, quality and format',
    config: 'rich',
    tolerance: { levels: 5 },
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.jpeg })
      for (const query of [
        { url, w: 64 },
        { url, w: 96 },
        { url, w: 64, q: 50 },
      ]) {
        for (const accept of ['image/webp', 'image/avif', '*/*', 'image/webp,*/*;q=0.1', 'text/html'])
          await side.image(query, { accept })
      }
      side.hits('/a.jpg')
    },
  },
  {
    id: 'C4',
    title: 'many requests at once, one fetch',
    run: async (side) => {
      const { open, opened } = gate()
      const url = side.source('/a.jpg', { body: side.pictures.small, hold: opened })
      const asked = Array.from({ length: 20 }, () => side.image({ url, w: 32 }, { silent: true }))
      await side.until(() => side.requests('/a.jpg').length > 0)
      await pause(300)
      open()
      const answers = await Promise.all(asked)
      side.note('statuses', [...new Set(answers.map(({ status }) => status))])
      side.note('cache', [...new Set(answers.map(({ headers }) => headers['x-nextjs-cache']))])
      side.note('bodies', new Set(answers.map(({ body }) => body.toString('base64'))).size)
      side.hits('/a.jpg')
    },
  },
  {
    id: 'C5',
    title: 'errors are shared and not kept',
    run: async (side) => {
      const { open, opened } = gate()
      const url = side.source('/a.jpg', ({ count }) =>
        count === 1 ? { status: 503, hold: opened } : { body: side.pictures.small },
      )
      const asked = Array.from({ length: 5 }, () => side.image({ url, w: 32 }, { silent: true }))
      await side.until(() => side.requests('/a.jpg').length > 0)
      await pause(300)
      open()
      side.note(
        'statuses',
        (await Promise.all(asked)).map(({ status }) => status),
      )
      side.hits('/a.jpg')
      await side.image({ url, w: 32 }, { accept: 'image/webp' })
    },
  },
  {
    id: 'C6',
    title: 'a source that could not be made is kept as it came',
    run: async (side) => {
      const url = side.source('/a.jpg', {
        body: side.pictures.truncated,
        headers: { 'cache-control': 'max-age=99999' },
      })
      for (let round = 0; round < 3; round += 1) await side.image({ url })
      side.hits('/a.jpg')
    },
  },
  {
    id: 'C7',
    title: 'after its time: served once more, refreshed behind it, then fresh',
    config: 'brief',
    run: async (side) => {
      const { jpeg, large } = side.pictures
      const url = side.source('/a.jpg', ({ count }) => ({ body: count === 1 ? jpeg : large }))
      const first = await side.image({ url }, { label: 'first' })
      await pause(1200)
      const stale = await side.image({ url }, { label: 'stale' })
      side.note('the old bytes', stale.body.equals(first.body))
      await side.until(() => side.requests('/a.jpg').length > 1)
      const fresh = await side.untilAnswer(
        () => side.image({ url }, { silent: true }),
        ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
      )
      side.note('new bytes', !fresh.body.equals(first.body))
      await side.image({ url }, { label: 'fresh', headers: { 'if-none-match': 'x' } })
    },
  },
  {
    id: 'C8',
    title: 'a refresh whose source did not change keeps the variant and its age',
    config: 'brief',
    run: async (side) => {
      const age = (count) => ({ etag: '"same"', 'cache-control': `max-age=${count === 1 ? 2 : 50}` })
      const url = side.source('/a.jpg', ({ count }) => ({
        body: count === 1 ? side.pictures.jpeg : side.pictures.large,
        headers: age(count),
      }))
      const first = await side.image({ url }, { label: 'first' })
      await pause(2200)
      await side.image({ url }, { label: 'stale' })
      await side.until(() => side.requests('/a.jpg').length > 1)
      const fresh = await side.untilAnswer(
        () => side.image({ url }, { silent: true }),
        ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
      )
      side.note('the old bytes', fresh.body.equals(first.body))
      side.note('the old age', fresh.headers['cache-control'])
    },
  },
  {
    id: 'C9',
    title: 'what was passed through is always fetched and kept anew',
    config: 'brief',
    run: async (side) => {
      const headers = (count) => ({ etag: '"same"', 'cache-control': `max-age=${count === 1 ? 1 : 50}` })
      const url = side.source('/a.ico', ({ count }) => ({ body: side.pictures.ico, headers: headers(count) }))
      await side.image({ url }, { label: 'first' })
      await pause(1200)
      await side.image({ url }, { label: 'stale' })
      const fresh = await side.untilAnswer(
        () => side.image({ url }, { silent: true }),
        ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
      )
      side.note('the new age', fresh.headers['cache-control'])
    },
  },
  {
    id: 'C10',
    title: 'a refresh that fails keeps the variant for a while',
    config: 'brief',
    run: async (side) => {
      for (const [name, failure] of Object.entries({
        status: { status: 500 },
        broken: { drop: true },
        text: { body: 'no picture' },
      })) {
        const url = side.source(`/${name}.jpg`, ({ count }) => (count === 1 ? { body: side.pictures.small } : failure))
        await side.image({ url, w: 32 }, { label: `${name}, first` })
        await pause(1200)
        await side.image({ url, w: 32 }, { label: `${name}, stale` })
        const kept = await side.untilAnswer(
          () => side.image({ url, w: 32 }, { silent: true }),
          ({ headers }) => headers['x-nextjs-cache'] === 'HIT',
        )
        side.note(`${name}, kept`, [kept.status, kept.headers['cache-control']])
      }
    },
  },
  {
    id: 'C11',
    title: 'a refresh that can not be decoded replaces the variant by the source',
    config: 'brief',
    run: async (side) => {
      const { jpeg, truncated } = side.pictures
      side.knows('truncated', truncated)
      const url = side.source('/a.jpg', ({ count }) => ({ body: count === 1 ? jpeg : truncated }))
      await side.image({ url }, { label: 'first' })
      await pause(1200)
      await side.image({ url }, { label: 'stale' })
      await side.untilAnswer(
        () => side.image({ url }, { silent: true }),
        ({ headers }) => headers['content-type'] === 'image/jpeg',
      )
      side.note('asked again', side.requests('/a.jpg').length > 1)
    },
  },
  {
    id: 'C12',
    title: 'a stale variant that the client has',
    config: 'brief',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      const { etag } = (await side.image({ url, w: 32 }, { label: 'first' })).headers
      await pause(1200)
      await side.image({ url, w: 32 }, { label: 'stale', headers: { 'if-none-match': etag } })
      await side.until(() => side.requests('/a.jpg').length === 2)
    },
  },
  {
    id: 'C13',
    title: 'maximumDiskCacheSize: 0 keeps nothing',
    config: 'diskless',
    run: askThrice,
  },
  {
    id: 'C13.1',
    title: 'isrFlushToDisk: false keeps nothing',
    config: 'flushless',
    run: askThrice,
  },
  {
    id: 'C13.2',
    title: 'maximumDiskCacheSize: the least recently used goes first',
    config: 'tight',
    run: async (side) => {
      // Passed through, so that every side keeps the same number of bytes.
      const body = Buffer.concat([side.pictures.ico, Buffer.alloc(6000)])
      const variants = [1, 2, 3].map((at) => ({ url: side.source(`/${at}.ico`, { body }), w: 32 }))
      const kept = () => variants.map((variant) => side.entries().includes(side.key(variant)))
      for (const variant of variants.slice(0, 2)) {
        await side.image(variant)
        await side.until(() => side.entries().includes(side.key(variant)))
      }
      await side.image(variants[0])
      await side.image(variants[2])
      await side.until(() => kept().filter(Boolean).length === 2 && kept()[2])
      side.note('kept', kept())
      const big = {
        url: side.source('/big.ico', { body: Buffer.concat([side.pictures.ico, Buffer.alloc(30_000)]) }),
        w: 32,
      }
      for (let round = 0; round < 2; round += 1) await side.image(big)
      side.note('the big one is kept', side.entries().includes(side.key(big)))
      side.note('kept', kept())
    },
  },
  {
    id: 'C14',
    title: 'half of the free disk, and what is there at the start',
    why: 'the size of the disk is the same for all; src/cache/filesystem tests both, and X2 that what is there is found',
  },
  {
    id: 'C15',
    title: "the app's own cache handler for images",
    why: 'concerns Next 16.2 with customCacheHandler, which createImageHandler does not take part in',
  },
  {
    id: 'X2',
    title: "the other's folder is one's own",
    swaps: true,
    run: async (side) => {
      for (const [query, options] of variants) await side.image(query, options)
      await side.until(() =>
        variants.every(([{ url, w }, { type }]) => side.entries().includes(side.key({ url, w, type }))),
      )
    },
  },
]

const variants = [
  [{ url: '/photo.jpg', w: 384 }, {}],
  [
    { url: '/photo.jpg', w: 384 },
    { accept: '*/*', type: '' },
  ],
  [
    { url: '/alpha.png', w: 384 },
    { accept: '*/*', type: '' },
  ],
  [{ url: '/animated.gif', w: 384 }, {}],
  [{ url: '/cut.jpg', w: 384 }, {}],
]
