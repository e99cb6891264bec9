// Methods, and which paths are the endpoint.
import { imagePath } from '../../__test__/support/app.mjs'

/** The endpoint's path and others that look like it, asked for the same picture. */
const paths = (all) => async (side) => {
  const query = imagePath({ url: '/photo.jpg', w: 64 }).split('?')[1]
  for (const path of all) await side.get(`${path}?${query}`, { headers: { accept: 'image/webp' } })
}

const NOTHING_TO_SERVE = 'has nothing to serve with it; Next answers with its page for what is not there'

export const rows = [
  {
    id: 'R1',
    title: 'HEAD',
    run: async (side) => {
      const url = side.source('/a.jpg', { body: side.pictures.small })
      const head = await side.image({ url, w: 32 }, { method: 'HEAD', silent: true })
      side.hits('/a.jpg')
      const got = await side.image({ url, w: 32 })
      side.note('the length of GET', head.headers['content-length'] === got.headers['content-length'])
      side.note(
        'the names of its headers',
        Object.keys(head.headers)
          .filter((name) => name !== 'connection')
          .sort(),
      )
      const again = await side.image({ url, w: 32 }, { method: 'HEAD', silent: true })
      side.note('a cached one', [
        again.headers['x-nextjs-cache'],
        again.headers['content-length'] === got.headers['content-length'],
      ])
      side.hits('/a.jpg')
    },
  },
  {
    id: 'R2',
    title: 'other methods on a remote source and on what is cached',
    run: async (side) => {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const url = side.source(`/${method}.jpg`, { body: side.pictures.small })
        for (let round = 0; round < 2; round += 1)
          await side.image(
            { url, w: 32 },
            { method, body: ['POST', 'PUT', 'PATCH'].includes(method) ? 'x' : undefined },
          )
        side.hits(`/${method}.jpg`)
      }
    },
  },
  {
    id: 'R3',
    title: 'other methods on a path of the app that is not cached',
    run: async (side) => {
      for (const [at, method] of ['POST', 'PUT', 'DELETE'].entries()) {
        await side.image({ url: '/alpha.png', w: [48, 96, 128][at] }, { method })
      }
    },
  },
  {
    id: 'R4',
    title: 'a slash at the end',
    run: paths(['/_next/image/', '/_next/image//', '//_next/image', '/_next//image']),
  },
  {
    id: 'R4.1',
    title: 'trailingSlash: true',
    config: 'slash',
    run: paths(['/_next/image/', '/_next/image', '/_next/image//', '/_next/image/foo', '/_next/imagex/']),
  },
  {
    id: 'R5',
    title: 'paths beside the endpoint',
    run: paths([
      '/_next/image/foo',
      '/_next/imagex',
      '/_next/imag',
      '/_next/Image',
      '/_next/image.png',
      '/_next/%69mage',
      '/a/_next/image',
    ]),
  },
  {
    id: 'R6',
    title: 'basePath',
    config: 'docs',
    run: async (side) => {
      await paths([
        '/_next/image',
        '/docs/_next/image',
        '/docs/_next/image/',
        '/docs/_next/image/foo',
        '/docsx/_next/image',
      ])(side)
      const at = '/docs'
      for (const url of [
        '/docs/photo.jpg',
        '/photo.jpg',
        '/docs/missing.jpg',
        '/docs/_next/static/media/none.jpg',
        '/_next/static/media/none.jpg',
      ]) {
        await side.image({ url }, { at })
      }
      for (const url of ['/docs/_next/image?url=x', '/docs/api/picture', 'https://cdn.test/other.jpg'])
        await side.image({ url }, { at })
      const page = (await side.get('/docs', { silent: true })).body.toString()
      const found = /url=([^&"]*static%2F(?:immutable%2F)?media%2F[^&"]+)/.exec(page)
      side.note('static import', decodeURIComponent(found?.[1] ?? 'none'))
    },
  },
  {
    id: 'R6.1',
    title: 'i18n',
    config: 'languages',
    run: paths(['/_next/image', '/de/_next/image', '/en/_next/image', '/_next/image/']),
  },
  {
    id: 'R7',
    title: 'unoptimized: true',
    config: 'unoptimized',
    not: { service: NOTHING_TO_SERVE },
    run: paths(['/_next/image', '/_next/image/', '/photo.jpg']),
  },
  {
    id: 'R7.1',
    title: 'a loader of its own',
    config: 'loader',
    not: { service: NOTHING_TO_SERVE },
    run: paths(['/_next/image', '/_next/image/']),
  },
  {
    id: 'R8',
    title: "output: 'export'",
    why: '`next start` refuses to run with it, so there is no reference; src/request.rs tests the 400',
  },
  {
    id: 'R9',
    title: 'a client that leaves does not spoil the image for others',
    run: async (side) => {
      for (const [where, make] of [
        ['remote', 'source'],
        ['inside', 'local'],
      ]) {
        let open
        const hold = new Promise((resolve) => {
          open = resolve
        })
        const name = `/${where}.jpg`
        const url = side[make](name, { body: side.pictures.small, hold })
        let leave
        const first = side.image({ url, w: 32 }, { silent: true, leave: (how) => (leave = how) })
        await side.until(() => side.requests(name).length > 0)
        leave()
        await first
        const second = side.image({ url, w: 32 }, { label: `${where}, while it is fetched` })
        // Until it is certain to have joined the first.
        await new Promise((resolve) => setTimeout(resolve, 300))
        open()
        await second
        await side.image({ url, w: 32 }, { label: `${where}, afterwards` })
        side.hits(name)
      }
    },
  },
  {
    id: 'R9.1',
    title: 'the same with a file of the app, many times',
    run: async (side) => {
      for (let round = 0; round < 20; round += 1) {
        const query = { url: '/alpha.png', w: [640, 750, 828, 1080][round % 4] }
        await side.image(query, { silent: true, leave: (drop) => setTimeout(drop, round) })
      }
      for (const w of [640, 750, 828, 1080]) {
        const { status } = await side.image({ url: '/alpha.png', w }, { silent: true })
        side.note(`status at ${w}`, status)
      }
    },
  },
]
