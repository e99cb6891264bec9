// @ts-check
'use strict'

const { createRequire } = require('node:module')
const path = require('node:path')
const { invalidOption } = require('./errors.js')

/** @typedef {import('node:net').Socket} Socket */
/** @typedef {import('../native.d.cts').NativeLocalAnswer} LocalAnswer */

/**
 * Fetches relative urls through the Next app in this process, the way Next's own optimizer does: with a request and
 * a response that no client sees. Routing, headers(), rewrites and middleware apply as they do from outside.
 *
 * @param {string} dir the Next app
 * @param {import('../index.d.ts').RequestHandler} handle what app.getRequestHandler() returns
 * @returns {(href: string, options: { socket?: Socket, method?: string, maxBytes: number }) => Promise<LocalAnswer>}
 */
function localFetch(dir, handle) {
  const { MockedRequest, MockedResponse } = loadMocks(dir)

  return async (href, { socket, method = 'GET', maxBytes }) => {
    // The request carries the client's socket: an external rewrite asks it for protocol and address. It carries no
    // header of the client, so that nobody's cookies decide what is cached for all. The response has no socket:
    // with one, a client that disconnects would leave the transfer unfinished and everyone else waiting.
    const request = new MockedRequest({ url: href, method, headers: {}, socket })
    const response = new MockedResponse({ maximumResponseBody: maxBytes })
    const streamed = response.hasStreamed
    const handled = (async () => {
      await handle(request, response)
      await streamed
    })()
    try {
      // Past the size limit the response is destroyed, and then a static file's handler never returns. So the
      // response is watched as well as the handler.
      await Promise.race([handled, streamed.then(() => handled)])
    } catch (cause) {
      if (codeOf(cause) === 'ERR_MAX_BODY_SIZE_EXCEEDED') return { status: 413, headers: {}, body: Buffer.alloc(0) }
      throw new Error(`the app failed to answer ${href}: ${cause instanceof Error ? cause.message : cause}`, { cause })
    }
    return {
      status: response.statusCode,
      headers: Object.fromEntries(response.headers),
      body: Buffer.concat(response.buffers),
    }
  }
}

/** @param {unknown} cause */
function codeOf(cause) {
  return /** @type {{ code?: unknown } | undefined} */ (cause)?.code
}

/**
 * The mocks of the Next that the app uses, which need not be the one that we would find.
 *
 * @param {string} dir
 * @returns {{ MockedRequest: new (options: object) => any, MockedResponse: new (options: object) => any }}
 */
function loadMocks(dir) {
  const name = 'next/dist/server/lib/mock-request'
  try {
    return createRequire(path.join(dir, 'package.json'))(name)
  } catch (cause) {
    const message = `handle needs the app's own Next, and ${name} can not be loaded from ${dir}; is dir the folder of the app?`
    throw invalidOption(message, cause)
  }
}

module.exports = { localFetch }
