// @ts-check
'use strict'

// `node -r unsharp/register server.js`, `node --import unsharp/register server.js`, or either through NODE_OPTIONS.

require('./hook.js').install()
require('./boot-check.js').scheduleBootCheck()
