// Which sources are passed through, and which are refused.

const each =
  (names, query = {}) =>
  async (side) => {
    for (const name of names) {
      const url = side.source(`/${name.replaceAll(' ', '-')}`, { body: side.pictures[name], headers: { etag: '"e"' } })
      await side.image({ url, ...query })
    }
  }

export const rows = [
  {
    id: 'T1',
    title: 'animations are passed through',
    run: async (side) => {
      for (const name of ['animated gif', 'animated webp', 'animated png']) {
        const url = side.source(`/${name.replace(' ', '-')}`, { body: side.pictures[name] })
        for (const accept of ['image/webp', '*/*']) await side.image({ url }, { accept })
      }
    },
  },
  {
    id: 'T2',
    title: 'icons and what is not decoded are passed through',
    run: each(['ico', 'icns', 'bmp', 'jxl', 'jxl box', 'heic']),
  },
  { id: 'T3', title: 'svg is refused', run: each(['svg', 'svg large']) },
  { id: 'T4', title: 'svg that is allowed is passed through', config: 'rich', run: each(['svg', 'svg large']) },
  {
    id: 'T5',
    title: 'the bytes decide, not the Content-Type',
    run: async (side) => {
      const types = [
        'application/octet-stream',
        'image/png',
        'image/jpeg, image/png',
        'IMAGE/JPEG',
        'text/html',
        'image/svg+xml',
        '',
      ]
      for (const [at, type] of types.entries()) {
        const url = side.source(`/type-${at}`, {
          body: side.pictures.jpeg,
          headers: type ? { 'content-type': type } : {},
        })
        await side.image({ url, w: 64 })
      }
    },
  },
  {
    id: 'T6',
    title: 'svg in its spellings',
    config: 'rich',
    run: async (side) => {
      const svg = side.pictures.svg.toString()
      const starts = [
        '',
        ' ',
        '\n',
        '\t',
        '\r\n',
        '<?xml version="1.0"?>',
        '<!-- a remark -->',
        '\ufeff',
        '<!DOCTYPE svg>',
        '\n\n\n  ',
        '<SVG>',
      ]
      for (const [at, start] of starts.entries()) {
        await side.image({ url: side.source(`/svg-${at}`, { body: start + svg }) })
      }
    },
  },
  {
    id: 'T7',
    title: 'what is no image',
    run: each(['text', 'html', 'pdf', 'psd', 'ppm', 'cur', 'mif1', 'j2c', 'one byte']),
  },
  { id: 'T8', title: 'text that looks like AVIF', run: each(['text that says ftypavif']) },
  {
    id: 'T9',
    title: 'text under the name of a picture, and a page',
    run: async (side) => {
      await side.image({ url: '/text.jpg' })
      await side.image({ url: '/' })
      await side.image({ url: '/api/status' })
    },
  },
]
