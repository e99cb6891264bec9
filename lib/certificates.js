// @ts-check
'use strict'

/**
 * Those that Node trusts, PEM, for machines without a list of their own, such as slim containers. Building the text
 * takes a moment, which whoever only calls optimize() should not pay.
 */
function rootCertificates() {
  return require('node:tls').rootCertificates.join('\n')
}

module.exports = { rootCertificates }
