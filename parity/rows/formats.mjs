// Which format a client gets, and what the encoders make.

const AVIF_FIRST = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8'

/** One source of each kind, asked for with each of these Accept headers. */
const each =
  (names, accepts, query = {}) =>
  async (side) => {
    for (const name of names) {
      const url = side.source(`/${name.replaceAll(' ', '-')}`, { body: side.pictures[name] })
      for (const accept of accepts) await side.image({ url, ...query }, { accept })
    }
  }

export const rows = [
  {
    id: 'F1',
    title: 'the best configured format that Accept names',
    config: 'rich',
    run: each(
      ['jpeg'],
      [
        ...['image/avif', 'image/webp', 'image/webp,image/avif', 'image/avif,image/webp', AVIF_FIRST],
        ...['image/avif;q=0.5,image/webp', 'image/avif;q=0.5,image/webp;q=0.5', 'image/webp;q=0.9,image/avif;q=0.91'],
      ],
    ),
  },
  {
    id: 'F2',
    title: 'wildcards name no format',
    config: 'rich',
    run: each(['jpeg', 'webp'], ['*/*', 'image/*', 'image/*,*/*;q=0.8', 'image/png,image/*']),
  },
  {
    id: 'F3',
    title: 'weights, case and odd spellings',
    config: 'rich',
    run: each(
      ['jpeg'],
      [
        ...[
          'image/avif;q=0,image/webp',
          'image/webp;q=0',
          'image/webp;q=0,*/*',
          'IMAGE/WEBP',
          'image/Webp,*/*',
          'image/webp;q=2',
        ],
        ...[
          'image/webp;q=0.0001',
          'image/webp; q=0.5 , image/avif; q=0.4',
          'image/webp;Q=0.1,image/avif;q=0.2',
          ',,image/webp,,',
        ],
        ...[
          ' image/webp ',
          'image/webpx',
          'ximage/webp',
          'text/html,image/webp',
          'image/webp;q=',
          'image/webp;q=abc',
          'x',
        ],
        ...[
          'image/*;q=0.1,image/webp;q=0.01,image/avif;q=0.001',
          '*/*;q=0.5,image/webp;q=0',
          'image/avif;q=1.0,image/webp;q=1',
        ],
      ],
    ),
  },
  {
    id: 'F3.1',
    title: 'no Accept header, and an empty one',
    config: 'rich',
    run: each(['jpeg'], [null, '']),
  },
  {
    id: 'F3.2',
    title: 'a malformed Accept header',
    run: each(['jpeg'], ['image/webp;x', 'image/webp;a=b=c', 'image/webp;=', ';']),
  },
  {
    id: 'F4',
    title: 'a media type with parameters',
    run: each(
      ['jpeg', 'png'],
      ['image/webp;v=1', 'image/webp;v=1;q=0.5', 'image/webp;v=1,image/webp', 'image/webp;q=0.5;v=1'],
    ),
  },
  { id: 'F5', title: 'without a match the format of the source', run: each(['jpeg', 'png', 'gif', 'tiff'], ['*/*']) },
  {
    id: 'F6',
    title: 'without a match webp and avif become jpeg',
    run: each(['webp', 'avif', 'webp lossless'], ['*/*']),
  },
  {
    id: 'F7',
    title: 'transparency in a jpeg is black',
    tolerance: { levels: 5 },
    run: each(['webp alpha', 'avif alpha'], ['*/*']),
  },
  {
    id: 'F8',
    title: 'a client of avif alone, formats webp alone',
    run: each(['jpeg', 'png', 'webp'], ['image/avif', 'image/avif,*/*']),
  },
  {
    id: 'F9',
    title: 'no formats: the first type of the client',
    config: 'formatless',
    run: each(
      ['jpeg', 'png alpha'],
      [
        ...[
          'image/apng,*/*',
          'image/webp',
          'image/avif,image/webp',
          'image/png,image/jpeg',
          'image/svg+xml',
          'image/gif',
          '*/*',
        ],
        ...['image/*', 'image/x-icon', 'image/bmp,image/webp', 'image/tiff'],
      ],
    ),
  },
  {
    id: 'F9.1',
    title: 'no formats: a first type that is no image',
    config: 'formatless',
    run: each(['jpeg'], ['text/html', 'application/json,image/webp', 'image/unknown', 'nonsense/*', 'image/jpg']),
  },
  {
    id: 'F10',
    title: 'avif is smaller than webp, and webp than jpeg',
    config: 'rich',
    // At 100 the fewer tries of our WebP encoder cost bytes.
    tolerance: { largest: 1.5 },
    run: async (side) => {
      const url = side.source('/sizes.jpg', { body: side.pictures.large })
      for (const q of [50, 75, 100]) {
        const sizes = []
        for (const accept of ['image/avif', 'image/webp', '*/*']) {
          sizes.push((await side.image({ url, w: 640, q }, { accept })).body.length)
        }
        side.note(`order at ${q}`, sizes[0] <= sizes[1] && sizes[1] < sizes[2])
      }
    },
  },
  {
    id: 'F10.1',
    title: 'the same at quality 1, where nothing is left of a picture',
    config: 'rich',
    // Their JPEG limits the steps of its quantisation to 255, ours does not.
    tolerance: { levels: 20 },
    run: each(['large'], ['image/avif', 'image/webp', '*/*'], { w: 640, q: 1 }),
  },
  { id: 'F11', title: 'gif and tiff', run: each(['gif', 'tiff'], ['image/webp', '*/*']) },
  {
    id: 'F12',
    title: 'an avif source',
    config: 'rich',
    run: each(['avif', 'avif alpha'], ['image/avif', 'image/webp', '*/*']),
  },
  {
    id: 'E1',
    title: 'never enlarged',
    run: async (side) => {
      for (const name of ['small', 'jpeg', 'png alpha']) {
        const url = side.source(`/${name}`.replace(' ', '-'), { body: side.pictures[name] })
        for (const w of [32, 384, 3840]) await side.image({ url, w })
      }
    },
  },
  {
    id: 'E2',
    title: 'EXIF orientation',
    run: async (side) => {
      for (let orientation = 1; orientation <= 8; orientation += 1) {
        const url = side.source(`/turned-${orientation}.jpg`, { body: side.pictures[`turned ${orientation}`] })
        for (const accept of ['image/webp', '*/*']) await side.image({ url }, { accept })
      }
    },
  },
  {
    id: 'E3',
    title: 'avif at every quality',
    config: 'rich',
    run: async (side) => {
      const url = side.source('/avif.jpg', { body: side.pictures.large })
      for (const q of [1, 50, 75, 100]) await side.image({ url, q, w: 384 }, { accept: 'image/avif' })
    },
  },
  { id: 'E4', title: 'jpeg is progressive', run: each(['jpeg', 'jpeg 4:4:4', 'jpeg gray'], ['*/*']) },
  { id: 'E4.1', title: 'jpeg without mozjpeg', config: 'limited', run: each(['small'], ['*/*'], { w: 32 }) },
  {
    id: 'E5',
    title: 'png has a palette',
    config: 'rich',
    tolerance: { levels: 5, largest: 1.7 },
    run: each(['png', 'png alpha', 'png gray', 'png palette'], ['*/*']),
  },
  {
    id: 'E5.1',
    title: 'png at other qualities',
    config: 'rich',
    tolerance: { levels: 8, smallest: 0.3, largest: 3 },
    run: async (side) => {
      const url = side.source('/a.png', { body: side.pictures.png })
      for (const q of [1, 50, 100]) await side.image({ url, q }, { accept: '*/*' })
    },
  },
  {
    id: 'E6',
    title: 'every kind of colour becomes 8-bit sRGB',
    run: each(
      [
        ...[
          'jpeg gray',
          'jpeg cmyk',
          'jpeg p3',
          'jpeg progressive',
          'png 16 bit',
          'png gray',
          'png gray alpha',
          'png palette',
        ],
        ...['png interlaced', 'webp lossless', 'webp alpha', 'avif alpha'],
      ],
      ['image/webp'],
    ),
  },
  {
    id: 'E6.1',
    title: 'the same kept in their own format',
    tolerance: { levels: 5, largest: 2 },
    run: each(['jpeg gray', 'jpeg cmyk', 'jpeg p3', 'png 16 bit', 'png gray alpha'], ['*/*']),
  },
  {
    id: 'E7',
    title: 'more pixels than allowed',
    config: 'limited',
    run: each(['webp', 'small'], ['image/webp'], { w: 32 }),
  },
  {
    id: 'E8',
    title: 'a damaged image is served as it came',
    run: async (side) => {
      for (const name of ['truncated', 'no end', 'bad checksum', 'webp cut', 'gif cut', 'avif cut']) {
        const headers = { etag: '"of-the-source"', 'cache-control': 'max-age=99999' }
        const file = `/${name.replaceAll(' ', '-')}`
        const url = side.source(file, { body: side.pictures[name], headers })
        const from = Date.now()
        await side.image({ url })
        await side.image({ url })
        side.hits(file)
        side.files({ url }, [from, Date.now()])
      }
    },
  },
  { id: 'E9', title: 'bytes behind the end of a jpeg', run: each(['more behind'], ['image/webp', '*/*']) },
  { id: 'E10', title: 'JPEG 2000', run: each(['jp2'], ['image/webp']) },
  {
    id: 'E11',
    title: 'more time than an image may take',
    config: 'hurried',
    slow: true,
    run: async (side) => {
      const url = side.source('/huge.jpg', { body: side.pictures.huge })
      await side.image({ url, w: 3840 })
    },
  },
]
