// A certificate authority for one test run, so that no key lies in the repository and nothing expires.
import { generateKeyPairSync, sign } from 'node:crypto'

const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]
const COMMON_NAME = [0x55, 0x04, 0x03]
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11]
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13]

/** One DER value: its tag, its length, and what is in it. */
function der(tag, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const length = [body.length >> 8, body.length & 0xff].slice(body.length < 256 ? 1 : 0)
  return Buffer.concat([Buffer.from([tag, ...(body.length < 128 ? [] : [0x80 + length.length]), ...length]), body])
}

const sequence = (...parts) => der(0x30, ...parts)
const oid = (bytes) => der(0x06, bytes)
const algorithm = sequence(oid(ECDSA_WITH_SHA256))
const name = (text) => sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, text))))
const critical = der(0x01, [0xff])

const pem = (bytes) => `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64')}\n-----END CERTIFICATE-----\n`

function certificate({ serial, issuer, subject, publicKey, extension, signer }) {
  const toSign = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [serial]),
    algorithm,
    name(issuer),
    sequence(der(0x17, '000101000000Z'), der(0x18, '21000101000000Z')),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(...extension))),
  )
  return pem(sequence(toSign, algorithm, der(0x03, [0], sign('sha256', toSign, signer))))
}

/**
 * A new authority and a certificate for `localhost` from it.
 *
 * @returns {{ ca: string, cert: string, key: string }} all PEM
 */
export function localhostCertificate() {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = 'unsharp test authority'
  return {
    ca: certificate({
      ...{ serial: 1, issuer, subject: issuer, publicKey: authority.publicKey, signer: authority.privateKey },
      extension: [oid(BASIC_CONSTRAINTS), critical, der(0x04, sequence(der(0x01, [0xff])))],
    }),
    cert: certificate({
      ...{ serial: 2, issuer, subject: 'localhost', publicKey: server.publicKey, signer: authority.privateKey },
      extension: [oid(SUBJECT_ALT_NAME), der(0x04, sequence(der(0x82, 'localhost')))],
    }),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}
