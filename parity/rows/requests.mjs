// What is refused, in which order and with which words.
import { imagePath } from '../../__test__/support/app.mjs'

const photo = '/photo.jpg'
/** A path of exactly this many characters. */
const long = (length) => `/${'a'.repeat(length - 1)}`

export const rows = [
  {
    id: 'P1',
    title: 'url is required',
    run: async (side) => {
      for (const url of [undefined, '']) await side.image({ url })
      await side.get('/_next/image')
      await side.get('/_next/image?')
      await side.get('/_next/image?url&w=256&q=75')
    },
  },
  {
    id: 'P2',
    title: 'url given twice',
    run: async (side) => {
      await side.get(`${imagePath({ url: photo })}&url=${photo}`)
      await side.get(`${imagePath({ url: photo })}&url=`)
      await side.get('/_next/image?url[]=/photo.jpg&w=256&q=75')
      await side.get('/_next/image?url[a]=/photo.jpg&w=256&q=75')
    },
  },
  {
    id: 'P3',
    title: 'url of at most 3072 characters',
    run: async (side) => {
      for (const length of [3071, 3072, 3073, 6000]) await side.image({ url: long(length) })
      await side.image({ url: `/${'ä'.repeat(3071)}` })
      await side.image({ url: `/${'\u{1f600}'.repeat(1536)}` })
    },
  },
  {
    id: 'P4',
    title: 'protocol-relative url',
    run: async (side) => {
      for (const url of [
        '//example.test/a.jpg',
        '///a.jpg',
        '/%2Fexample.test/a.jpg',
        '/\\example.test/a.jpg',
        '/\\\\',
      ]) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'P5',
    title: 'a url that leads back to the endpoint',
    run: async (side) => {
      const urls = [
        ...['/_next/image', '/_next/image/', '/_next/image?url=/a.jpg', '/_next/image/a', '/x/_next/image'],
        ...[
          '/%5Fnext/image',
          '/_next%2Fimage',
          '/_next/%69mage',
          '/_next/image%3Furl=a',
          '/_next/imagex',
          '/_NEXT/image',
        ],
        ...['/a/../_next/image', '/_next/x/../image', '/%255Fnext/image'],
      ]
      for (const url of urls) await side.image({ url })
    },
  },
  {
    id: 'P6',
    title: 'neither a path nor an address',
    run: async (side) => {
      for (const url of [
        'photo.jpg',
        '?a',
        'http://',
        'http:///',
        'https://[',
        ' /photo.jpg',
        '\\photo.jpg',
        'a:b:c',
        '%2Fphoto.jpg',
      ]) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'P7',
    title: 'other schemes',
    run: async (side) => {
      for (const url of [
        'ftp://127.0.0.1/a.jpg',
        'file:///etc/passwd',
        'data:image/png;base64,AA',
        'javascript:1',
        'blob:x',
        'HTTP://UPPER.test/a',
      ]) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'P8',
    title: "another server's image endpoint as the source",
    run: async (side) => {
      await side.image({ url: side.source('/_next/image', { body: side.pictures.jpeg }) })
      await side.image({ url: 'https://example.test/_next/image?url=/a.jpg&w=64&q=75' })
    },
  },
  {
    id: 'P9',
    title: 'remotePatterns and domains',
    config: 'guarded',
    run: async (side) => {
      const refused = [
        ...['http://exact.test/images/a.jpg', 'https://exact.test:8443/images/a.jpg', 'https://exact.test/other/a.jpg'],
        ...[
          'https://exact.test/images/a.jpg?v=1',
          'https://exact.test.evil.test/images/a.jpg',
          'https://any.test/a.jpg',
        ],
        ...[
          'https://a.any.test/a.jpg',
          'http://one.test/a.jpg',
          'http://a.b.one.test/a.jpg',
          'https://search.test/a.jpg',
        ],
        ...[
          'https://search.test/a.jpg?v=2',
          'http://port.test/a.jpg',
          'http://port.test:8081/a.jpg',
          'https://port.test:8080/a',
        ],
        ...['http://sub.domain.test/a.jpg', 'http://127.0.0.1/other.jpg', 'https://user:word@exact.test/other/a.jpg'],
        ...['https://exact.test/images/../other/a.jpg', 'https://exact.test/images%2F..%2Fother/a.jpg'],
      ]
      for (const url of refused) await side.image({ url })
    },
  },
  {
    id: 'P10',
    title: 'a malformed percent escape',
    run: async (side) => {
      for (const url of ['/a%zz', '/photo%.jpg', '/a%ff.jpg', '/%', '/%e0%a4%a.jpg']) await side.image({ url })
      for (const url of ['a%zz', '//a%zz']) await side.image({ url })
      await side.get('/_next/image?url=%2Fphoto.jpg%&w=256&q=75')
      await side.get('/_next/image?url=%zz&w=256&q=75')
      await side.image({ url: `${side.source('/p', { body: side.pictures.jpeg })}?a=%zz` })
    },
  },
  {
    id: 'P11',
    title: 'localPatterns, and the default without queries',
    run: async (side) => {
      for (const url of ['/photo.jpg?v=1', '/photo.jpg?', '/photo.jpg#part', '/photo.jpg#?v=1', '/api/picture?v']) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'P11.1',
    title: 'localPatterns of the app',
    config: 'guarded',
    run: async (side) => {
      const urls = [
        ...['/photo.jpg', '/alpha.png', '/photo.jpg?v=1', '/api/picture', '/api/picture?v=1', '/api/picture?v=1&x=2'],
        ...['/deep/a/b.jpg', '/deep/a/b/c.jpg', '/deep/a/b.png', '/deep/a/b.jpg?any', '/deep/.a/b.jpg', '/PHOTO.jpg'],
      ]
      for (const url of urls) await side.image({ url })
    },
  },
  {
    id: 'P12',
    title: 'a bare question mark at the end',
    run: async (side) => {
      await side.image({ url: '/photo.jpg?' })
    },
  },
  {
    id: 'P13',
    title: 'static imports are always allowed',
    config: 'guarded',
    run: async (side) => {
      for (const url of [
        ...[
          '/_next/static/media/none.jpg',
          '/_next/static/immutable/media/none.jpg',
          '/_next/static/media/none.jpg?v=1',
        ],
        ...['/_next/static/other/none.jpg', '/_next/static/media/../other/none.jpg'],
      ]) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'P14',
    title: 'dots in a path',
    config: 'guarded',
    run: async (side) => {
      for (const url of [
        '/api/../photo.jpg',
        '/x/%2e%2e/photo.jpg',
        '/./photo.jpg',
        '/photo.jpg/..',
        '/..%2fphoto.jpg',
        '/photo.jpg/.',
      ]) {
        await side.image({ url })
      }
    },
  },
  {
    id: 'W1',
    title: 'w is required',
    run: async (side) => {
      for (const w of [undefined, '']) await side.image({ url: photo, w })
    },
  },
  {
    id: 'W2',
    title: 'w given twice',
    run: async (side) => {
      await side.get(`${imagePath({ url: photo, w: 256 })}&w=256`)
    },
  },
  {
    id: 'W3',
    title: 'w is a whole number above 0',
    run: async (side) => {
      for (const w of ['0', '00', '-64', '64.0', 'a', '+64', '64px', '0x40', '1e2', ' 64', '64 ', '٦٤', 'NaN']) {
        await side.image({ url: photo, w })
      }
    },
  },
  {
    id: 'W4',
    title: 'w is one of the sizes',
    run: async (side) => {
      for (const w of ['16', '65', '641', '10000', '9007199254740993', '1'.repeat(22), '9'.repeat(400)]) {
        await side.image({ url: photo, w })
      }
    },
  },
  {
    id: 'W5',
    title: 'zeros before w are the same variant',
    run: async (side) => {
      const url = side.source('/zeros.jpg', { body: side.pictures.jpeg })
      for (const w of ['64', '064', '0000064']) await side.image({ url, w })
      side.hits('/zeros.jpg')
    },
  },
  {
    id: 'Q1',
    title: 'q is required',
    run: async (side) => {
      for (const q of [undefined, '']) await side.image({ url: photo, q })
    },
  },
  {
    id: 'Q2',
    title: 'q given twice',
    run: async (side) => {
      await side.get(`${imagePath({ url: photo })}&q=75`)
    },
  },
  {
    id: 'Q3',
    title: 'q is from 1 to 100',
    run: async (side) => {
      for (const q of ['a', '7.5', '0', '000', '101', '-1', '+75', '75%', '1e1', '9'.repeat(400)]) {
        await side.image({ url: photo, q })
      }
    },
  },
  {
    id: 'Q4',
    title: 'q is one of the qualities',
    run: async (side) => {
      for (const q of ['60', '060', '075', '100', '1']) await side.image({ url: photo, q })
    },
  },
  {
    id: 'O1',
    title: 'the order of the checks',
    run: async (side) => {
      for (const query of [
        ...[
          { url: '', w: '', q: '' },
          { url: photo, w: '', q: '' },
          { url: photo, w: 'a', q: '' },
          { url: photo, w: '0', q: '' },
        ],
        ...[
          { url: photo, w: '0', q: 'a' },
          { url: photo, w: '0', q: '0' },
          { url: photo, w: '65', q: '0' },
        ],
        ...[
          { url: photo, w: '64', q: '0' },
          { url: photo, w: '65', q: '60' },
          { url: 'x', w: 'x', q: 'x' },
        ],
      ]) {
        await side.image(query)
      }
    },
  },
  {
    id: 'O3',
    title: 'in development small widths and quality 70 make a blurred placeholder',
    config: 'dev',
    not: { service: 'knows no development' },
    run: async (side) => {
      for (const [w, q] of [
        ...[
          [8, 70],
          [1, 70],
          [7, 70],
        ],
        ...[
          [9, 70],
          [8, 75],
          [8, 71],
          [64, 70],
          [7, 75],
        ],
      ]) {
        await side.image({ url: photo, w, q })
      }
    },
  },
  {
    id: 'O2',
    title: 'further parameters are ignored',
    run: async (side) => {
      const url = side.source('/more.jpg', { body: side.pictures.jpeg })
      await side.image({ url, w: 64 })
      await side.image({ url, w: 64, dpl: 'x', h: 3, format: 'avif', Q: 1 })
      await side.get(`/_next/image?q=75&&w=64&=&x&url=${encodeURIComponent(url)}`, {
        headers: { accept: 'image/webp,*/*' },
      })
      side.hits('/more.jpg')
    },
  },
  {
    id: 'X1',
    title: 'odd queries',
    run: async (side) => {
      const rest = 'w=256&q=75'
      for (const query of [
        ...[
          `url=/photo.jpg&amp;${rest}`,
          `url=/photo.jpg;${rest}`,
          `URL=/photo.jpg&${rest}`,
          `?url=/photo.jpg&${rest}`,
        ],
        ...[`url=/photo.jpg&${rest}#x`, `url=%2fphoto%2ejpg&${rest}`, `url=/photo+x.jpg&${rest}`, `url=%00&${rest}`],
        ...[`url=/photo.jpg%00&${rest}`, `url=/photo.jpg%0d%0aX:1&${rest}`, `url=%252Fphoto.jpg&${rest}`],
        ...[`url=%252Fphoto.jpg%253Fa&${rest}`, `u%72l=/photo.jpg&${rest}`, `url=/photo.jpg&%77=256&q=75`],
        ...[
          `url=%2Fphoto.jpg&w=%32%35%36&q=75`,
          `__proto__=1&url=/photo.jpg&${rest}`,
          `url=/${'%20'.repeat(9)}&${rest}`,
        ],
      ]) {
        await side.get(`/_next/image?${query}`, { headers: { accept: 'image/webp,*/*' } })
      }
    },
  },
]
