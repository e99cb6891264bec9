// What an answer says, in a form that two servers' answers can be held against each other in.
import { createHash } from 'node:crypto'
import { gunzipSync, inflateSync } from 'node:zlib'
import sharp from 'sharp-reference'

/**
 * Headers that say nothing about the image endpoint: the moment, and the connection, which belongs to whoever made the
 * server.
 */
export const IGNORED = ['date', 'connection', 'keep-alive']

const HASH = 'sha256 of the body'

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('base64url')

/** What of a picture's header is compared. */
const FACTS = ['format', 'width', 'height', 'space', 'depth', 'isProgressive', 'isPalette', 'hasProfile']
const MORE_FACTS = ['chromaSubsampling', 'orientation', 'pages']

/**
 * @param {{ status: number, headers: Record<string, string | string[]>, body: Buffer }} answer
 * @param {object} known
 * @param {Map<string, Buffer>} known.sources bodies that the row serves, by name
 * @param {Set<string>} known.hashes ETags that bodies of this row were the hash of, for answers without a body
 * @param {(text: string) => string} known.normalize takes out what is different by necessity, such as ports
 * @param {string} label what was asked
 */
export async function describe({ status, headers, body }, { sources, hashes, normalize }, label) {
  const plain = decoded(body, headers['content-encoding'])
  const described = { label, status, headers: {} }
  for (const [name, value] of Object.entries(headers)) {
    if (!IGNORED.includes(name)) described.headers[name] = normalize(String(value))
  }
  if (body.length > 0 && headers['content-length'] === String(body.length)) {
    described.headers['content-length'] = "the body's"
  }
  if (plain.length > 0 && headers.etag === sha256(plain)) {
    hashes.add(headers.etag)
    described.headers.etag = HASH
  } else if (hashes.has(headers.etag)) {
    described.headers.etag = HASH
  }
  const original = [...sources].find(([, bytes]) => bytes.equals(plain))
  if (plain.length === 0) described.body = 'empty'
  else if (original) described.body = `${original[0]} as it came`
  else Object.assign(described, (status === 200 && (await picture(plain))) || { body: normalize(plain.toString()) })
  return described
}

function decoded(body, coding) {
  if (body.length === 0) return body
  if (coding === 'gzip') return gunzipSync(body)
  if (coding === 'deflate') return inflateSync(body)
  return body
}

/** What the bytes are, whatever they are called; undefined when they are no picture. */
async function picture(bytes) {
  const header = await sharp(bytes)
    .metadata()
    .catch(() => undefined)
  if (!header) return undefined
  const facts = Object.fromEntries([...FACTS, ...MORE_FACTS].map((name) => [name, header[name]]))
  // A palette may hold a transparent colour that nothing has, so what counts is what can be seen.
  const { isOpaque } = await sharp(bytes, { failOn: 'none' }).stats()
  return { body: 'a picture', picture: { ...facts, isOpaque, hasExif: header.exif !== undefined }, bytes }
}
