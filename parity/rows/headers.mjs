// The headers of an answer.
import { createHash } from 'node:crypto'

/** Sources that say this in Cache-Control. */
const says = (values) => async (side) => {
  for (const [at, value] of values.entries()) {
    const headers = value === undefined ? {} : { 'cache-control': value }
    await side.image({ url: side.source(`/${at}.jpg`, { body: side.pictures.small, headers }), w: 32 })
  }
}

export const rows = [
  {
    id: 'H1',
    title: 'Cache-Control has the larger of minimumCacheTTL and the age of the source',
    config: 'rich',
    run: says([undefined, 'max-age=30', 'max-age=600', 's-maxage=700, max-age=600', 'max-age=0', '']),
  },
  {
    id: 'H2',
    title: 'how the age is read',
    config: 'limited',
    run: says([
      ...[
        'MAX-AGE=600',
        'max-age="600"',
        's-maxage=0, max-age=600',
        'max-age=600, s-maxage=0',
        'max-age=1e6',
        'max-age = 600',
      ],
      ...[
        'max-age= 600',
        'max-age=600s',
        'max-age=-5',
        'max-age=+5',
        'max-age=abc',
        'max-age=',
        's-maxage=,max-age=5',
        'max-age=1.9',
      ],
      ...[
        'max-age=5,max-age=6',
        'public,max-age=5;x',
        'max-age=0x10',
        'max-age=99999999999999999999',
        'max-age=5=6',
        ' max-age=7 ',
      ],
      ...["max-age='8'", 'xmax-age=9', 'max-age', 's-maxage="10', 'max-age=007'],
    ]),
  },
  {
    id: 'H3',
    title: 'no-store, private and no-cache are ignored',
    run: says(['no-store', 'private, max-age=99999', 'no-cache', 'no-store, max-age=20000']),
  },
  {
    id: 'H4',
    title: 'static imports are immutable',
    run: async (side) => {
      const page = await side.get('/', { silent: true })
      const [, found] = /url=(%2F_next%2Fstatic%2F(?:immutable%2F)?media%2F[^&"]+)/.exec(page.body.toString())
      const url = decodeURIComponent(found)
      side.knows('the hash of the build', await (await side.get(url, { silent: true })).body)
      const { headers } = await side.image({ url })
      await side.image({ url }, { headers: { 'if-none-match': '*' } })
      side.note('has an ETag', typeof headers.etag)
      await side.image({ url: `${url}x` })
    },
  },
  {
    id: 'H5',
    title: 'Vary',
    config: 'rich',
    run: async (side) => {
      for (const name of ['jpeg', 'svg', 'svg large', 'bmp', 'ico', 'icns', 'tiff']) {
        const url = side.source(`/${name.replace(' ', '-')}`, { body: side.pictures[name] })
        for (const coding of [undefined, 'gzip']) {
          await side.image({ url }, { accept: '*/*', headers: coding ? { 'accept-encoding': coding } : {} })
        }
      }
    },
  },
  {
    id: 'H6',
    title: 'ETag',
    run: async (side) => {
      const { pictures } = side
      const etags = ['"strong"', 'W/"weak"', 'bare', '"ä"', '']
      for (const [at, etag] of etags.entries()) {
        const headers = etag ? { etag: Buffer.from(etag).toString('latin1') } : {}
        await side.image({ url: side.source(`/made-${at}.jpg`, { body: pictures.small, headers }), w: 32 })
        await side.image({ url: side.source(`/passed-${at}.ico`, { body: pictures.ico, headers }), w: 32 })
      }
      await side.image({ url: '/animated.gif' })
    },
  },
  {
    id: 'H7',
    title: 'Content-Disposition',
    run: async (side) => {
      for (const name of [
        ...[
          'a.b.c.jpg',
          'noextension',
          'a%20b.jpg',
          '%C3%A4.jpg',
          '%E6%97%A5.jpg',
          'quote%22.jpg',
          "it's.jpg",
          '.jpg',
          'a;b.jpg',
        ],
        ...[
          'a%2Fb.jpg',
          'UPPER.JPG',
          '%25.jpg',
          'a,b.jpg',
          'a(1).jpg',
          'a%0Ab.jpg',
          '%F0%9F%98%80.jpg',
          '~tilde.jpg',
          'a%5C.jpg',
        ],
      ]) {
        await side.image({ url: side.source(`/${name}`, { body: side.pictures.small }), w: 32 })
      }
      await side.image({ url: '/fjäll och sjö.jpg' })
      await side.image({ url: `${side.source('/q.jpg', { body: side.pictures.small })}?name=/x/other.png`, w: 32 })
    },
  },
  {
    id: 'H7.1',
    title: 'Content-Disposition inline',
    config: 'rich',
    run: async (side) => {
      await side.image({ url: side.source('/a.b.jpg', { body: side.pictures.small }), w: 32 })
    },
  },
  {
    id: 'H8',
    title: 'a source without a name',
    run: async (side) => {
      for (const name of ['/', '/folder/'])
        await side.image({ url: side.source(name, { body: side.pictures.small }), w: 32 })
    },
  },
  {
    id: 'H9',
    title: 'Content-Security-Policy',
    config: 'rich',
    run: async (side) => {
      await side.image({ url: side.source('/a.jpg', { body: side.pictures.small }), w: 32 })
      await side.image({ url: side.source('/a.svg', { body: side.pictures.svg }), w: 32 })
    },
  },
  {
    id: 'H10',
    title: 'X-Nextjs-Cache MISS and HIT',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      for (let round = 0; round < 3; round += 1) await side.image({ url, w: 32 })
      side.hits('/a.jpg')
    },
  },
  {
    id: 'H11',
    title: 'Content-Length, and none when compressed',
    config: 'rich',
    run: async (side) => {
      const url = side.source('/a.svg', { body: side.pictures['svg large'] })
      for (const coding of [
        'identity',
        'gzip',
        'gzip;q=0',
        'br',
        'deflate',
        'br, gzip',
        '*',
        'GZIP',
        'deflate, gzip;q=0.5',
      ]) {
        await side.image({ url }, { headers: { 'accept-encoding': coding } })
      }
      await side.image({ url }, { method: 'HEAD', headers: { 'accept-encoding': 'gzip' } })
    },
  },
  {
    id: 'H12',
    title: 'which types are compressed',
    config: 'rich',
    run: async (side) => {
      for (const name of ['svg', 'svg large', 'bmp', 'ico', 'icns', 'tiff', 'heic', 'jpeg', 'png', 'gif']) {
        const url = side.source(`/${name.replace(' ', '-')}`, { body: side.pictures[name] })
        await side.image({ url }, { accept: '*/*', headers: { 'accept-encoding': 'gzip, deflate, br' } })
      }
    },
  },
  {
    id: 'H12.1',
    title: 'compress: false',
    config: 'limited',
    run: async (side) => {
      const url = side.source('/a.bmp', { body: side.pictures.bmp })
      await side.image({ url }, { headers: { 'accept-encoding': 'gzip' } })
    },
  },
  {
    id: 'H13',
    title: 'what a 304 carries',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      const { headers } = await side.image({ url, w: 32 })
      for (const method of ['GET', 'HEAD']) {
        await side.image(
          { url, w: 32 },
          { method, label: `304 for ${method}`, headers: { 'if-none-match': headers.etag } },
        )
      }
      const bmp = side.source('/a.bmp', { body: side.pictures.bmp })
      const first = await side.image({ url: bmp })
      await side.image(
        { url: bmp },
        { label: '304 of a bmp', headers: { 'if-none-match': first.headers.etag, 'accept-encoding': 'gzip' } },
      )
    },
  },
  {
    id: 'H14',
    title: 'If-None-Match in its forms',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      const { etag } = (await side.image({ url, w: 32 })).headers
      const forms = {
        ...{
          exact: etag,
          weak: `W/${etag}`,
          quoted: `"${etag}"`,
          'weak and quoted': `W/"${etag}"`,
          list: `"a", ${etag}`,
        },
        ...{
          'list without spaces': `a,${etag},b`,
          star: '*',
          'star in a list': `a, *`,
          other: 'other',
          empty: '',
          spaces: `  ${etag}  `,
        },
        ...{
          upper: etag.toUpperCase(),
          part: etag.slice(0, -1),
          tab: `a,\t${etag}`,
          'weak in small letters': `w/${etag}`,
        },
      }
      for (const [form, value] of Object.entries(forms)) {
        await side.image({ url, w: 32 }, { label: form, headers: { 'if-none-match': value } })
      }
      const more = {
        'no-cache': { 'if-none-match': etag, 'cache-control': 'no-cache' },
        'no-cache in a list': { 'if-none-match': etag, 'cache-control': 'max-age=0, no-cache' },
        'max-age=0': { 'if-none-match': etag, 'cache-control': 'max-age=0' },
        'no-cache=x': { 'if-none-match': etag, 'cache-control': 'no-cache="x"' },
        pragma: { 'if-none-match': etag, pragma: 'no-cache' },
        date: { 'if-modified-since': new Date(4e12).toUTCString() },
        'date and tag': { 'if-none-match': etag, 'if-modified-since': new Date(4e12).toUTCString() },
      }
      for (const [label, headers] of Object.entries(more)) await side.image({ url, w: 32 }, { label, headers })
    },
  },
  {
    id: 'H15',
    title: 'a first request that has the image already',
    run: async (side) => {
      const body = side.pictures.ico
      const url = side.source('/a.ico', { body })
      const etag = createHash('sha256').update(body).digest('base64url')
      await side.image({ url }, { headers: { 'if-none-match': etag } })
      side.hits('/a.ico')
      await side.image({ url: side.source('/b.ico', { body }) }, { headers: { 'if-none-match': '*' } })
      await side.image({ url })
    },
  },
  {
    id: 'H16',
    title: 'Range is ignored',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      for (const range of ['bytes=0-9', 'bytes=-5', 'bytes=0-1,3-4', 'bytes=999999-']) {
        await side.image({ url, w: 32 }, { headers: { range } })
        await side.image({ url, w: 32 }, { headers: { range, 'if-range': '"x"' } })
      }
    },
  },
  {
    id: 'H17',
    title: 'generateEtags: false leaves the tag of images',
    config: 'limited',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      const { etag } = (await side.image({ url, w: 32 })).headers
      await side.image({ url, w: 32 }, { label: '304', headers: { 'if-none-match': etag } })
    },
  },
  {
    id: 'H18.1',
    title: 'what an error carries without compression',
    config: 'limited',
    run: async (side) => {
      for (const method of ['GET', 'HEAD']) {
        for (const url of ['x', '/missing.jpg']) await side.image({ url }, { method })
      }
    },
  },
  {
    id: 'H18',
    title: 'what an error carries',
    run: async (side) => {
      for (const [method, headers] of [
        ['GET', {}],
        ['HEAD', {}],
        ['POST', {}],
        ['GET', { 'accept-encoding': 'gzip' }],
      ]) {
        await side.image({ url: 'x' }, { method, headers })
        await side.image({ url: '/missing.jpg' }, { method, headers })
      }
      const broken = side.source('/broken', { drop: true })
      await side.image({ url: broken }, { headers: { 'accept-encoding': 'gzip' } })
      await side.image({ url: broken }, { method: 'HEAD' })
    },
  },
]
