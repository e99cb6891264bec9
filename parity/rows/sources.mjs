// Sources inside the app and on other servers.
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'

/** Asks for sources of the app and of another server that behave alike. */
const both = (cases) => async (side) => {
  for (const [name, behaviour] of Object.entries(cases(side))) {
    const file = `/${name}`
    await side.image({ url: side.source(file, behaviour), w: 64 })
    side.hits(file)
  }
}

export const rows = [
  {
    id: 'S1',
    title: 'a path that is missing',
    run: async (side) => {
      for (const url of [
        '/missing.jpg',
        '/missing',
        '/_next/static/media/missing.jpg',
        '/api/missing',
        '/photo.jpg/',
      ]) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'S2',
    title: 'a path that answers with another status',
    run: async (side) => {
      for (const status of [201, 203, 206, 304, 400, 401, 403, 404, 410, 418, 429, 451, 500, 502, 503, 504, 599]) {
        const body = status === 304 ? '' : side.pictures.small
        await side.image({ url: side.local(`/${status}.jpg`, { status, body }), w: 32 })
      }
      await side.image({ url: '/guarded.jpg' })
    },
  },
  {
    id: 'S3',
    title: 'a path that redirects',
    run: async (side) => {
      await side.image({ url: '/moved.jpg' })
      for (const status of [301, 302, 303, 307, 308]) {
        await side.image({ url: side.local(`/${status}`, { status, headers: { location: '/photo.jpg' } }) })
      }
    },
  },
  {
    id: 'S4',
    title: 'a path with an empty body',
    run: async (side) => {
      await side.image({ url: side.local('/empty.jpg', { body: '' }) })
      await side.image({ url: side.local('/none.jpg', { status: 204 }) })
      await side.image({ url: '/empty.jpg' })
    },
  },
  {
    id: 'S5',
    title: 'a path with a body over maximumResponseBody',
    config: 'limited',
    slow: true,
    run: async (side) => {
      await side.image({ url: '/photo.jpg' }, { patienceMs: 5_000 })
      await side.image({ url: side.local('/large.jpg', { body: side.pictures.large }) }, { patienceMs: 5_000 })
      await side.image({ url: side.local('/small.jpg', { body: side.pictures.small }), w: 32 })
    },
  },
  {
    id: 'S6',
    title: "the client's headers stay here",
    run: async (side) => {
      const headers = {
        cookie: 'a=1',
        authorization: 'secret',
        'x-forwarded-for': '1.2.3.4',
        'user-agent': 'me',
        referer: 'http://x.test/',
      }
      await side.image({ url: side.source('/a.jpg', { body: side.pictures.small }), w: 32 }, { headers })
      side.note(
        'what the source was asked',
        side.requests('/a.jpg').map(({ method, headers }) => ({
          method,
          names: Object.keys(headers)
            .filter((name) => name !== 'connection')
            .sort(),
        })),
      )
      await side.image({ url: '/api/picture' }, { headers })
    },
  },
  {
    id: 'S7',
    title: 'names beyond ASCII',
    run: async (side) => {
      side.file('/fj%C3%A4ll%20och%20sj%C3%B6.jpg')
      for (const url of [
        '/fjäll och sjö.jpg',
        '/fj%C3%A4ll%20och%20sj%C3%B6.jpg',
        '/fj%c3%a4ll och sj%c3%b6.jpg',
        '/fj%25C3%25A4ll.jpg',
      ]) {
        await side.image({ url })
      }
      const url = side.source('/a%20b%C3%A4.jpg', { body: side.pictures.small })
      await side.image({ url, w: 32 })
      await side.image({ url: url.replace('%20', ' ').replace('%C3%A4', 'ä'), w: 32 })
      side.hits('/a%20b%C3%A4.jpg')
    },
  },
  {
    id: 'S8',
    title: 'files whose name starts with a dot',
    run: async (side) => {
      await side.image({ url: '/.hidden.jpg' })
      await side.image({ url: '/.well-known/picture.jpg' })
    },
  },
  {
    id: 'S9',
    title: 'a rewrite to another server',
    run: async (side) => {
      const body = side.pictures.jpeg
      side.source('/elsewhere.jpg', { body, headers: { 'cache-control': 'public, max-age=77777', etag: '"there"' } })
      await side.image({ url: '/renamed.jpg' })
      await side.image({ url: '/elsewhere/S9/elsewhere.jpg' })
      await side.image({ url: '/elsewhere/S9/elsewhere.jpg' })
      side.hits('/elsewhere.jpg')
    },
  },
  {
    id: 'S10',
    title: 'Cache-Control from headers()',
    run: async (side) => {
      for (const url of ['/cached.jpg', '/brief.jpg', '/photo.jpg']) await side.image({ url })
    },
  },
  {
    id: 'S11',
    title: 'another server answers with another status',
    run: both(({ pictures }) =>
      Object.fromEntries(
        [
          201, 202, 203, 206, 226, 299, 300, 304, 305, 306, 400, 401, 403, 404, 410, 418, 429, 451, 500, 502, 503, 504,
          599,
        ].map((status) => [String(status), { status, body: status === 304 ? '' : pictures.small }]),
      ),
    ),
  },
  {
    id: 'S12',
    title: 'redirects are followed',
    run: async (side) => {
      const target = side.source('/target.jpg', { body: side.pictures.small, headers: { etag: '"target"' } })
      for (const status of [301, 302, 303, 307, 308]) {
        await side.image({ url: side.source(`/${status}`, { status, headers: { location: target } }), w: 32 })
      }
      side.hits('/target.jpg')
      await side.image({ url: side.source('/relative', { status: 302, headers: { location: 'target.jpg' } }), w: 32 })
      await side.image({
        url: side.source('/absolute', { status: 302, headers: { location: '/S12/target.jpg' } }),
        w: 32,
      })
      await side.image({ url: side.source('/query', { status: 302, headers: { location: '?again' } }), w: 32 })
      side.hits('/query')
      let next = target
      for (const step of [1, 2, 3, 4, 5]) {
        next = side.source(`/chain-${step}`, { status: 302, headers: { location: next } })
        await side.image({ url: next, w: 32 })
      }
      await side.image({ url: side.source('/loop', { status: 302, headers: { location: '/S12/loop' } }), w: 32 })
      side.hits('/loop')
      const other = target.replace('127.0.0.1', 'localhost')
      await side.image({ url: side.source('/off-pattern', { status: 302, headers: { location: other } }), w: 32 })
    },
  },
  {
    id: 'S12.1',
    title: 'maximumRedirects',
    config: 'limited',
    run: async (side) => {
      let next = side.source('/target.jpg', { body: side.pictures.small })
      for (const step of [1, 2]) {
        next = side.source(`/chain-${step}`, { status: 302, headers: { location: next } })
        await side.image({ url: next, w: 32 })
      }
    },
  },
  {
    id: 'S13',
    title: 'redirects that lead nowhere',
    run: both(() => ({
      300: { status: 300, headers: { location: '/S13/x' } },
      304: { status: 304, headers: { location: '/S13/x' } },
      305: { status: 305, headers: { location: '/S13/x' } },
      bare: { status: 302 },
      empty: { status: 302, headers: { location: '' } },
      odd: { status: 302, headers: { location: 'http://[' } },
    })),
  },
  {
    id: 'S14',
    title: 'no connection, or a broken answer',
    run: async (side) => {
      const { pictures } = side
      const sources = {
        ftp: { status: 302, headers: { location: 'ftp://127.0.0.1/a.jpg' } },
        refused: { status: 302, headers: { location: 'http://127.0.0.1:1/a.jpg' } },
        dropped: { drop: true },
        cut: { body: pictures.jpeg, cutAt: 1000 },
        gzip: { body: pictures.jpeg, headers: { 'content-encoding': 'gzip' } },
        deflate: { body: pictures.jpeg, headers: { 'content-encoding': 'deflate' } },
        'half gzip': { body: gzipSync(pictures.jpeg).subarray(0, 500), headers: { 'content-encoding': 'gzip' } },
      }
      for (const [name, behaviour] of Object.entries(sources)) {
        await side.image({ url: side.source(`/${name}`.replace(' ', '-'), behaviour), w: 32 })
      }
      await side.image({ url: 'http://127.0.0.1:1/a.jpg' })
      await side.image({ url: 'http://127.0.0.1:0/a.jpg' })
    },
  },
  {
    id: 'S15',
    title: 'seven seconds for headers and body',
    slow: true,
    run: async (side) => {
      const stalled = ['headers', 'body'].map((stall) => side.source(`/${stall}`, { stall, body: side.pictures.jpeg }))
      const answers = stalled.map((url) => side.image({ url }, { silent: true }))
      for (const [at, { status, body, failed }] of (await Promise.all(answers)).entries()) {
        side.note(`stalled in ${['headers', 'body'][at]}`, { status, text: body?.toString(), failed })
      }
    },
  },
  {
    id: 'S16',
    title: 'a body over maximumResponseBody',
    config: 'limited',
    run: async (side) => {
      const { pictures } = side
      const sized = (bytes) => Buffer.concat([pictures.small, Buffer.alloc(bytes - pictures.small.length)])
      const sources = {
        under: { body: sized(29_999) },
        exact: { body: sized(30_000) },
        over: { body: sized(30_001) },
        'over in pieces': { body: sized(30_001), pieces: 7 },
        'exact in pieces': { body: sized(30_000), pieces: 7 },
        'exact and gzip': { body: gzipSync(sized(30_000)), headers: { 'content-encoding': 'gzip' } },
        'over and gzip': { body: gzipSync(sized(30_001)), headers: { 'content-encoding': 'gzip' } },
        bomb: { body: gzipSync(Buffer.alloc(20_000_000)), headers: { 'content-encoding': 'gzip' } },
      }
      for (const [name, behaviour] of Object.entries(sources)) {
        await side.image({ url: side.source(`/${name.replaceAll(' ', '-')}`, behaviour), w: 32 })
      }
    },
  },
  {
    id: 'S17',
    title: 'an empty body of another server',
    run: both(() => ({
      empty: { body: '' },
      204: { status: 204 },
      205: { status: 205 },
      'empty-gzip': { body: gzipSync(''), headers: { 'content-encoding': 'gzip' } },
      pieces: { body: '', pieces: 1 },
    })),
  },
  {
    id: 'S18',
    title: 'content codings',
    run: both(({ pictures: { small } }) => {
      const coded = (coding, body) => ({ body, headers: { 'content-encoding': coding } })
      return {
        gzip: coded('gzip', gzipSync(small)),
        'x-gzip': coded('x-gzip', gzipSync(small)),
        upper: coded('GZIP', gzipSync(small)),
        deflate: coded('deflate', deflateSync(small)),
        raw: coded('deflate', deflateRawSync(small)),
        br: coded('br', brotliCompressSync(small)),
        two: coded('gzip, br', brotliCompressSync(gzipSync(small))),
        five: coded(
          'gzip,gzip,gzip,gzip,gzip',
          [1, 2, 3, 4, 5].reduce((bytes) => gzipSync(bytes), small),
        ),
        six: coded(
          'gzip,gzip,gzip,gzip,gzip,gzip',
          [1, 2, 3, 4, 5, 6].reduce((bytes) => gzipSync(bytes), small),
        ),
        identity: coded('identity', small),
        unknown: coded('zstd', small),
        'unknown and gzip': coded('zstd, gzip', gzipSync(small)),
        empty: coded('', small),
      }
    }),
  },
  {
    id: 'S18.1',
    title: 'chunked bodies',
    run: both(({ pictures }) => ({
      pieces: { body: pictures.jpeg, pieces: 9 },
      bytes: { body: pictures.small, pieces: 200 },
    })),
  },
  {
    id: 'S19',
    title: 'fewer bytes than Content-Length says',
    run: async (side) => {
      const url = side.source('/short.jpg', {
        body: side.pictures.jpeg,
        headers: { 'content-length': String(side.pictures.jpeg.length) },
        cutAt: 3000,
      })
      await side.image({ url })
      await side.image({ url })
      side.hits('/short.jpg')
    },
  },
  {
    id: 'S20',
    title: 'private addresses',
    config: 'guarded',
    run: async (side) => {
      side.source('/a.jpg', { body: side.pictures.small })
      const hosts = [
        ...[
          '127.0.0.1',
          'localhost',
          '2130706433',
          '0x7f.1',
          '017700000001',
          '127.1',
          '0.0.0.0',
          '10.0.0.1',
          '169.254.169.254',
        ],
        ...['[::1]', '[::ffff:127.0.0.1]', '[fd00::1]'],
      ]
      for (const host of hosts) await side.image({ url: `http://${host}:${side.port}/S20/a.jpg` })
      side.hits('/a.jpg')
    },
  },
  {
    id: 'S21',
    title: 'the look-up is pinned to the connection',
    why: 'needs a name server of its own; src/upstream/resolver.rs tests it, and Next has a unit test',
  },
  {
    id: 'S22',
    title: 'proxies of the environment',
    why: 'newer than Next 16.4.6, whose fetch uses none; neither do we',
  },
  {
    id: 'S23',
    title: 'name and password in the address',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small }).replace('http://', 'http://user:pass%20word@')
      await side.image({ url, w: 32 })
      side.note(
        'sent',
        side.requests('/a.jpg').map(({ headers }) => headers.authorization),
      )
    },
  },
  {
    id: 'S24',
    title: 'how the source is asked',
    run: async (side) => {
      for (const [at, method] of ['GET', 'HEAD', 'POST'].entries()) {
        await side.image(
          { url: side.source(`/${at}.jpg`, { body: side.pictures.small }), w: 32 },
          { method, silent: true },
        )
        const asked = side
          .requests(`/${at}.jpg`)
          .map(({ method, headers: { host: _, connection: __, ...headers } }) => ({ method, headers }))
        side.note(`for ${method}`, asked)
      }
      const url = `${side.source('/query.jpg', { body: side.pictures.small })}?b=2&a=1&a=%20+ä#part`
      await side.image({ url, w: 32 })
      side.note(
        'query',
        side.requests('/query.jpg').map(({ url }) => url),
      )
    },
  },
]
