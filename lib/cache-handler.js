// @ts-check
'use strict'

// The module to name as `cacheHandler` in next.config. A bundle for the edge runtime takes it in as well, where it has
// to be as if there were none; bundlers know the condition's value and leave out the branch that is not taken.

if (process.env.NEXT_RUNTIME === 'edge') {
  module.exports = { __esModule: true, default: undefined }
} else {
  // A standalone server never evaluates next.config. It does load this, before it answers its first request.
  require('./hook.js').install()
  require('./boot-check.js').scheduleBootCheck()
  module.exports = require('./next-cache.js')
}
